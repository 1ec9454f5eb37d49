import type { TSchema } from '@sinclair/typebox';
import { type FailureType, failureFacts, type failurePhases } from '#contract/failure.ts';
import { records } from '#contract/telemetry.ts';

type RecordName = keyof typeof records;
type Value = Record<string, unknown>;

/**
 * Agents say every key, so that what is missing is found at the border. A recording is written by
 * hand or by another program: what has a neutral value may be left out of it. Null where the schema
 * lets it, else an empty list, a count of 0, an empty name, and what follows from other keys. Never
 * filled in: times, ids of who and what, and anything measured.
 */
export const fillLeftOut = (name: RecordName, record: object): void => {
  const value = record as Value;
  value['id'] ??= nobody;
  if (value['kind'] === 'result') fillResult(name, value);
  if (name === 'onward') fillObject(value['path'], (path) => fillPath(path, false));
  fillObject(value['link'], (link) => {
    link['type'] ??= 'other';
  });
  fillerOf(records[name])(value);
};

const nobody = '00000000-0000-4000-8000-000000000000';

const fillResult = (name: RecordName, result: Value): void => {
  result['availability'] ??= (result['failure'] ?? null) === null ? 1 : 0;
  result['distortion'] ??= 'none';
  fillObject(result['failure'], fillFailure);
  result['self'] ??= { eventLoopDelayMs: 0 };
  fillObject(result['self'], (self) => {
    self['clockJumpMs'] ??= 0;
  });
  const failed = result['availability'] === 0;
  if (failed) result['body'] ??= {};
  fillObject(result['body'], (body) => {
    if (name === 'http') fillHttp(body, result, failed);
    if (name === 'path') fillPath(body, failed);
    if (name === 'page-load') eachIn(body['hosts'], fillHost);
  });
  result['durationMs'] ??= 0;
};

const fillFailure = (failure: Value): void => {
  const type = failure['type'];
  if (typeof type !== 'string' || !Object.hasOwn(failureFacts, type)) return;
  const { source, action } = failureFacts[type as FailureType];
  failure['source'] ??= source;
  failure['action'] ??= action;
  failure['phase'] ??= phases[type.split('.')[0] ?? ''] ?? 'prepare';
};

/** By the first word of the failure's type. */
const phases: Record<string, (typeof failurePhases)[number]> = {
  dns: 'dns',
  tcp: 'connect',
  tls: 'tls',
  http: 'wait',
  proxy: 'proxy-connect',
  tunnel: 'proxy-connect',
  edge: 'proxy-connect',
  policy: 'proxy-connect',
  browser: 'render',
};

const fillHttp = (body: Value, result: Value, failed: boolean): void => {
  body['method'] ??= 'GET';
  if (failed) body['exchanges'] ??= [];
  fillObject(body['certificate'], (certificate) => {
    certificate['notAfter'] ??= farAway;
  });
  const exchanges = body['exchanges'];
  const last: unknown = Array.isArray(exchanges) ? exchanges.at(-1) : undefined;
  fillObject(last, ({ edge }) => {
    fillObject(edge, ({ edgeId }) => {
      result['edgeId'] ??= edgeId;
    });
  });
  let durationMs: number | undefined;
  eachIn(body['exchanges'], (exchange) => {
    exchange['durationMs'] ??= sumOf(exchange['phases']);
    fillObject(exchange['edge'], (edge) => {
      edge['edgeId'] ??= result['edgeId'];
    });
    const ms = exchange['durationMs'];
    if (typeof ms === 'number') durationMs = (durationMs ?? 0) + ms;
  });
  result['durationMs'] ??= durationMs;
};

/** The year 2100: nobody judges it. */
const farAway = 4_102_444_800_000;

const sumOf = (phases: unknown): number | undefined => {
  if (typeof phases !== 'object' || phases === null) return undefined;
  const measured = Object.values(phases).filter((ms) => typeof ms === 'number');
  return measured.length === 0 ? undefined : measured.reduce((sum, ms) => sum + ms, 0);
};

const fillPath = (body: Value, failed: boolean): void => {
  body['protocol'] ??= 'udp';
  body['method'] ??= 'raw';
  if (failed) body['reached'] ??= false;
};

const fillHost = (host: Value): void => {
  host['sumMs'] ??= host['longestMs'];
};

const fillObject = (value: unknown, fill: (value: Value) => void): void => {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) fill(value as Value);
};

const eachIn = (value: unknown, fill: (value: Value) => void): void => {
  if (Array.isArray(value)) for (const each of value) fillObject(each, fill);
};

type Filler = (value: Value) => void;
type Step = { key: string; neutral: (() => unknown) | undefined; inner: Filler | undefined };

const fillers = new WeakMap<TSchema, Filler>();

/** Made once for each schema: a recording has millions of lines. */
const fillerOf = (schema: TSchema): Filler => {
  const known = fillers.get(schema);
  if (known !== undefined) return known;
  const required = new Set((schema['required'] as string[] | undefined) ?? []);
  const steps = Object.entries((schema['properties'] as Record<string, TSchema> | undefined) ?? {})
    .map(
      ([key, of]): Step => ({
        key,
        neutral: required.has(key) && !measured.has(key) ? neutralOf(of) : undefined,
        inner: innerOf(of),
      }),
    )
    .filter(({ neutral, inner }) => neutral !== undefined || inner !== undefined);
  const filler = (value: Value): void => {
    for (const { key, neutral, inner } of steps) {
      if (neutral !== undefined) value[key] ??= neutral();
      if (inner === undefined) continue;
      const held = value[key];
      if (Array.isArray(held)) eachIn(held, inner);
      else fillObject(held, inner);
    }
  };
  fillers.set(schema, filler);
  return filler;
};

/** Whose neutral value would be a statement: all was lost, nothing was asked, somebody nameless. */
const measured: ReadonlySet<string> = new Set([
  'sentCount',
  'receivedCount',
  'exchanges',
  'host',
  'body',
  'protocol',
]);

const neutralOf = (schema: TSchema): (() => unknown) | undefined => {
  if (membersOf(schema).some((member) => member['type'] === 'null')) return () => null;
  switch (schema['type']) {
    case 'array':
      return () => [];
    case 'integer':
      return schema['minimum'] === 0 ? () => 0 : undefined;
    case 'string':
      return isFree(schema) ? () => '' : undefined;
    case 'object':
      return isPhases(schema) ? () => ({}) : undefined;
    default:
      return undefined;
  }
};

const isFree = ({ pattern, enum: values, const: one }: TSchema): boolean =>
  pattern === undefined && values === undefined && one === undefined;

/** An object of which every key may be null: empty it says that nothing of it was measured. */
const isPhases = (schema: TSchema): boolean =>
  Object.values(schema['properties'] as Record<string, TSchema>).every(
    (of) => neutralOf(of)?.() === null,
  );

const innerOf = (schema: TSchema): Filler | undefined => {
  const of = schema['type'] === 'array' ? (schema['items'] as TSchema) : schema;
  const [object] = membersOf(of).filter((member) => member['type'] === 'object');
  return object === undefined ? undefined : fillerOf(object);
};

const membersOf = (schema: TSchema): TSchema[] =>
  (schema['anyOf'] as TSchema[] | undefined) ?? [schema];
