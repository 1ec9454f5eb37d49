import { type Static, Type } from '@sinclair/typebox';

/** What goes over the shim's socket: a JSON value a line, answered in the order asked. */
const Ratio = Type.Number({ minimum: 0, maximum: 1, description: 'a ratio from 0 to 1' });
/** Longer than any packet stays useful; at more the queue's 20,000 places would be the limit. */
const Milliseconds = Type.Number({
  minimum: 0,
  maximum: 60_000,
  description: 'milliseconds from 0 to 60000',
});
const closed = { additionalProperties: false };

export const ImpairmentSchema = Type.Object(
  {
    delayMs: Milliseconds,
    jitterMs: Milliseconds,
    lossRatio: Ratio,
    burst: Type.Union(
      [
        Type.Null(),
        Type.Object({ enterRatio: Ratio, leaveRatio: Ratio, lossRatio: Ratio }, closed),
      ],
      { description: 'null, or enterRatio, leaveRatio and lossRatio, each from 0 to 1' },
    ),
    reorderRatio: Ratio,
  },
  closed,
);

export const ChangeSchema = Type.Partial(ImpairmentSchema, closed);

export const QueueSchema = Type.Object(
  {
    key: Type.String({ minLength: 1 }),
    namespace: Type.String({ pattern: '^[a-zA-Z0-9_.-]+$' }),
    queueNumber: Type.Integer({ minimum: 0, maximum: 65_535 }),
    impairment: ImpairmentSchema,
  },
  closed,
);

/** What the starter sends its new process over the channel between them. */
export const OrderSchema = Type.Object(
  { socketPath: Type.String({ minLength: 1 }), queues: Type.Array(QueueSchema, { minItems: 1 }) },
  closed,
);
export type Order = Static<typeof OrderSchema>;

export type Report = { ready: true } | { error: string };

const id = { id: Type.Integer() };

export const RequestSchema = Type.Union([
  Type.Object({ ...id, type: Type.Literal('set'), key: Type.String(), change: Type.Unknown() }),
  Type.Object({ ...id, type: Type.Literal('get'), key: Type.String() }),
  Type.Object({ ...id, type: Type.Literal('counters') }),
  Type.Object({ ...id, type: Type.Literal('stop') }),
]);
export type Request = Static<typeof RequestSchema>;

export type Answer = { id: number; value: unknown } | { id: number; error: string };
