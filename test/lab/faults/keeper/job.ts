import { type Static, Type } from '@sinclair/typebox';

const Command = Type.Array(Type.String(), { minItems: 1 });
const Target = { pid: Type.Integer({ minimum: 2 }), startTicks: Type.String() };

/** What a keeper does for as long as its job's file is there. */
export const KeeperJob = Type.Union([
  Type.Object({
    kind: Type.Literal('duty-cycle'),
    ...Target,
    stoppedMs: Type.Number({ minimum: 1 }),
    runningMs: Type.Number({ minimum: 1 }),
  }),
  Type.Object({ kind: Type.Literal('stop'), ...Target }),
  /** A command that serves and one that uses it, begun again when it ends. */
  Type.Object({ kind: Type.Literal('traffic'), serve: Command, use: Command }),
]);
export type KeeperJob = Static<typeof KeeperJob>;

/** Next to the job's file as long as the keeper works. */
export const statusFileOf = (jobFile: string): string => jobFile.replace(/\.json$/, '.keeper');
