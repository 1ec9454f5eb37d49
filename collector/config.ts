import { type Static, Type } from '@sinclair/typebox';
import { check, explain } from '#contract/check.ts';
import { closed, OneOf, Text } from '#contract/scalar.ts';
import { ConfigError, environment, readConfigFile } from '#runtime/config.ts';
import { defaultBinSeconds } from './fleet/bin-clock.ts';
import { shardings } from './fleet/shards.ts';
import { IngestLimits, ingestLimits } from './ingest/limits.ts';
import { defaultRetention, Retention, retentionFrom, retentionMistakes } from './retention.ts';

const Listen = Type.Object(
  {
    host: Type.String({ minLength: 1, maxLength: 256 }),
    port: Type.Integer({ minimum: 0, maximum: 65_535, description: '0: any free port' }),
  },
  closed,
);
const HttpUrl = Type.String({ pattern: '^https?://', maxLength: 512 });

const DuckdbStore = Type.Object({ engine: Type.Literal('duckdb') }, closed);
const exported = ['metrics', 'results', 'verdicts'] as const;

const InfluxdbStore = Type.Object(
  {
    engine: Type.Literal('influxdb'),
    url: HttpUrl,
    database: Type.String({ minLength: 1, maxLength: 128 }),
    token: Type.Optional(Text(512)),
    username: Type.Optional(Text(128)),
    password: Type.Optional(Text(512)),
  },
  closed,
);
const PgliteState = Type.Object({ engine: Type.Literal('pglite') }, closed);
const PostgresState = Type.Object(
  {
    engine: Type.Literal('postgres'),
    url: Type.String({ pattern: '^postgres(ql)?://', maxLength: 1_024 }),
  },
  closed,
);
const InProcessJobs = Type.Object({ engine: Type.Literal('in-process') }, closed);
const BullmqJobs = Type.Object(
  {
    engine: Type.Literal('bullmq'),
    redisUrl: Type.String({ pattern: '^rediss?://', maxLength: 1_024 }),
    prefix: Type.Optional(Text(64)),
  },
  closed,
);

/** How the whole fleet's evidence is judged, beside each device's own. */
const Diagnosis = Type.Object(
  {
    binSeconds: Type.Integer({ minimum: 1, maximum: 3_600 }),
    /** One engine for all, or one for each edge; those are spread over the collectors. */
    shardBy: OneOf(shardings),
    /** After a bin's end, for what is on its way; a fifth of the bin when absent, at least 3. */
    graceSeconds: Type.Optional(Type.Number({ minimum: 0, maximum: 3_600 })),
  },
  closed,
);

/** Where results and verdicts are handed on to, as they come. */
const Otlp = Type.Object(
  {
    /** Of the receiver, without `/v1/logs` and `/v1/metrics`. */
    url: HttpUrl,
    headers: Type.Optional(
      Type.Record(Type.String({ pattern: '^[A-Za-z0-9-]{1,64}$' }), Text(1_024)),
    ),
    what: Type.Optional(Type.Array(OneOf(exported), { minItems: 1 })),
    intervalSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 3_600 })),
    queueRecords: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
  },
  closed,
);

/** `CREATE SCHEMA`, InfluxDB, Redis and file names take it as it is: nothing has to be quoted, no two are alike. */
const tenantPattern = '^[a-z][a-z0-9_]{0,31}$';
const metricsAccess = ['token', 'public'] as const;

/** What the collector runs by. Without any of it: one machine, embedded engines, loopback. */
export const CollectorProgramConfig = Type.Object(
  {
    stateFolder: Type.String({ minLength: 1, maxLength: 1_024 }),
    /** Several share engines, one collector serves one; absent: the names as they are below. */
    tenant: Type.Optional(Type.String({ pattern: tenantPattern })),
    deviceListen: Listen,
    operatorListen: Listen,
    /** Where people's browsers, and devices for their captive-portal check, reach the operator listener. */
    publicUrl: Type.Optional(HttpUrl),
    store: Type.Union([DuckdbStore, InfluxdbStore]),
    state: Type.Union([PgliteState, PostgresState]),
    jobs: Type.Union([InProcessJobs, BullmqJobs]),
    /** Results of one moment arrive in several batches: judging waits for them. */
    diagnoseDelayMs: Type.Integer({ minimum: 0, maximum: 600_000 }),
    diagnosis: Diagnosis,
    /** What senders may send to this collector; beyond it 429. */
    limits: IngestLimits,
    /** In days, by tier. */
    retention: Retention,
    /** Who may read `/metrics`: with an operator's token, or everybody who reaches the operator listener. */
    metrics: OneOf(metricsAccess),
    export: Type.Optional(Type.Object({ otlp: Otlp }, closed)),
  },
  closed,
);
export type CollectorProgramConfig = Static<typeof CollectorProgramConfig>;

export const collectorDefaults: CollectorProgramConfig = {
  stateFolder: './collector-state',
  deviceListen: { host: '0.0.0.0', port: 8443 },
  operatorListen: { host: '127.0.0.1', port: 8080 },
  store: { engine: 'duckdb' },
  state: { engine: 'pglite' },
  jobs: { engine: 'in-process' },
  diagnoseDelayMs: 2_000,
  diagnosis: { binSeconds: defaultBinSeconds, shardBy: 'organisation' },
  limits: ingestLimits,
  retention: defaultRetention,
  metrics: 'token',
};

/** Enough that a receiver may be away for some minutes of a small fleet. */
export const otlpDefaults = {
  what: ['metrics', 'verdicts'] as (typeof exported)[number][],
  intervalSeconds: 15,
  queueRecords: 20_000,
};

/** File over defaults, environment over file. Throws ConfigError naming the field and the fix. */
export const readCollectorConfig = (
  path: string | undefined,
  read: (name: string) => string | undefined = environment,
): CollectorProgramConfig => {
  const file = path === undefined ? {} : readConfigFile(path);
  if (file !== null && (typeof file !== 'object' || Array.isArray(file))) {
    throw new ConfigError(`${path}: expected fields, as \`stateFolder: …\``);
  }
  const merged = {
    ...collectorDefaults,
    ...file,
    ...fromEnvironment(read),
    diagnosis: diagnosisFrom((file as { diagnosis?: unknown } | null)?.diagnosis, read),
    limits: limitsFrom((file as { limits?: unknown } | null)?.limits),
    retention: retentionFrom((file as { retention?: unknown } | null)?.retention, read),
  };
  const mistakes = [...engineMistakes(merged)];
  const checked = check(CollectorProgramConfig, merged);
  if (checked.ok) mistakes.push(...retentionMistakes(checked.value.retention));
  if (checked.ok && mistakes.length === 0) return checked.value;
  if (!checked.ok && mistakes.length === 0) mistakes.push(...checked.mistakes);
  const source = path ?? 'environment';
  throw new ConfigError(`${source}: see docs/collector.md\n${explain(mistakes)}`);
};

/** Of a union the checker says only "no match": the engine named decides what is expected. */
const engineMistakes = (config: Record<string, unknown>) =>
  (['store', 'state', 'jobs'] as const).flatMap((part) => {
    const { anyOf } = CollectorProgramConfig.properties[part];
    const engine = (config[part] as { engine?: unknown } | null | undefined)?.engine;
    const branch = anyOf.find((each) => each.properties.engine.const === engine);
    if (!branch) {
      const engines = anyOf.map((each) => each.properties.engine.const).join(' or ');
      return [{ pointer: `/${part}/engine`, message: `expected ${engines}` }];
    }
    const checked = check(branch, config[part]);
    if (checked.ok) return [];
    return checked.mistakes.map((m) => ({ ...m, pointer: `/${part}${m.pointer}` }));
  });

const fromEnvironment = (
  read: (name: string) => string | undefined,
): Partial<Record<keyof CollectorProgramConfig, unknown>> => {
  const stateFolder = read('WHYSLOW_STATE_FOLDER');
  const deviceListen = read('WHYSLOW_DEVICE_LISTEN');
  const operatorListen = read('WHYSLOW_OPERATOR_LISTEN');
  const publicUrl = read('WHYSLOW_PUBLIC_URL');
  const postgresUrl = read('WHYSLOW_POSTGRES_URL');
  const redisUrl = read('WHYSLOW_REDIS_URL');
  const diagnoseDelayMs = read('WHYSLOW_DIAGNOSE_DELAY_MS');
  const store = storeFrom(read);
  const metrics = read('WHYSLOW_METRICS');
  const otlpUrl = read('WHYSLOW_OTLP_URL');
  const tenant = read('WHYSLOW_TENANT');
  return {
    ...(stateFolder === undefined ? {} : { stateFolder }),
    ...(deviceListen === undefined
      ? {}
      : { deviceListen: listenOf('WHYSLOW_DEVICE_LISTEN', deviceListen) }),
    ...(operatorListen === undefined
      ? {}
      : { operatorListen: listenOf('WHYSLOW_OPERATOR_LISTEN', operatorListen) }),
    ...(publicUrl === undefined ? {} : { publicUrl }),
    ...(postgresUrl === undefined ? {} : { state: { engine: 'postgres', url: postgresUrl } }),
    ...(redisUrl === undefined ? {} : { jobs: { engine: 'bullmq', redisUrl } }),
    ...(diagnoseDelayMs === undefined ? {} : { diagnoseDelayMs: Number(diagnoseDelayMs) }),
    ...(store === undefined ? {} : { store }),
    ...(metrics === undefined ? {} : { metrics }),
    ...(otlpUrl === undefined ? {} : { export: { otlp: { url: otlpUrl } } }),
    ...(tenant === undefined ? {} : { tenant }),
  };
};

/** Its fields one by one: who sets the bins alone keeps the shards. Anything else is for the checker. */
const diagnosisFrom = (file: unknown, read: (name: string) => string | undefined): unknown => {
  if (file !== undefined && (typeof file !== 'object' || file === null || Array.isArray(file))) {
    return file;
  }
  const binSeconds = read('WHYSLOW_DIAGNOSIS_BIN_SECONDS');
  const shardBy = read('WHYSLOW_DIAGNOSIS_SHARD_BY');
  const graceSeconds = read('WHYSLOW_DIAGNOSIS_GRACE_SECONDS');
  return {
    ...collectorDefaults.diagnosis,
    ...file,
    ...(binSeconds === undefined ? {} : { binSeconds: Number(binSeconds) }),
    ...(shardBy === undefined ? {} : { shardBy }),
    ...(graceSeconds === undefined ? {} : { graceSeconds: Number(graceSeconds) }),
  };
};

/** Of each sender what is left out is as usual. */
const limitsFrom = (file: unknown): unknown => {
  if (file === undefined) return ingestLimits;
  if (typeof file !== 'object' || file === null || Array.isArray(file)) return file;
  const usual: Record<string, object> = ingestLimits;
  const given = Object.entries(file).map(([who, rate]) => [who, { ...usual[who], ...rate }]);
  return { ...ingestLimits, ...Object.fromEntries(given) };
};

const storeFrom = (read: (name: string) => string | undefined) => {
  const url = read('WHYSLOW_INFLUXDB_URL');
  if (url === undefined) return undefined;
  const optional = {
    token: read('WHYSLOW_INFLUXDB_TOKEN'),
    username: read('WHYSLOW_INFLUXDB_USERNAME'),
    password: read('WHYSLOW_INFLUXDB_PASSWORD'),
  };
  const given = Object.entries(optional).filter(([, value]) => value !== undefined);
  const database = read('WHYSLOW_INFLUXDB_DATABASE') ?? 'whyslow';
  return { engine: 'influxdb', url, database, ...Object.fromEntries(given) };
};

/** `host:port`, IPv6 in brackets. */
const listenOf = (name: string, text: string): { host: string; port: number } => {
  const parts = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const host = parts?.[1] ?? parts?.[2];
  if (!parts || host === undefined) {
    throw new ConfigError(`${name}: expected host:port, as 127.0.0.1:8080 or [::1]:8080`);
  }
  return { host, port: Number(parts[3]) };
};
