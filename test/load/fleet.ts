import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import { type Connection, type Credentials, createConnection } from './connection.ts';
import { Device, type MadeBatch, type Rates } from './device.ts';
import type { Kits } from './forms.ts';
import { createTally, type Tally } from './tally.ts';

export type FleetOptions = {
  collectorUrl: string;
  devices: readonly (Credentials & { id: string })[];
  kits: Kits;
  /** Share of devices behind a slow access provider, once `slowAfterMs` have gone by. */
  slowRatio: number;
  slowAfterMs: number;
  rates: Rates;
  /** How long records gather before they are sent. */
  lingerMs: number;
  /** Between two looks at the config; 0: one look, at the start. */
  configEveryMs: number;
  /** Requests under way at once, of all devices together. */
  inFlight: number;
  forMs: number;
  /** Eight hexadecimal digits: the first of every id. */
  run: string;
  signal: AbortSignal;
  onProgress?: (tally: Tally) => void;
};

const compress = promisify(gzip);
const tickMs = 20;
const progressMs = 5_000;
/** What is due at the end is still sent for this long. */
const drainMs = 120_000;

type Member = {
  device: Device;
  connection: Connection;
  dueAt: number;
  configAt: number;
  etag: string | undefined;
  busy: boolean;
};

/** The whole fleet in this process, until its time is over and everything is acknowledged. */
export const runFleet = async (options: FleetOptions) => {
  const tally = createTally();
  const startedAt = Date.now();
  const endAt = startedAt + options.forMs;
  const members = options.devices.map((identity, index) =>
    memberOf(options, identity, index, startedAt),
  );
  const cpu = process.cpuUsage();
  let lastTrouble: string | null = null;
  let underWay = 0;
  let at = 0;
  let progressAt = startedAt + progressMs;

  const send = async (member: Member): Promise<void> => {
    const now = Math.min(Date.now(), endAt);
    if (member.configAt <= now) await lookAtConfig(member, options, tally);
    const batch = member.device.next(now);
    if (batch === undefined) {
      member.dueAt = now + options.lingerMs;
      return;
    }
    const waitMs = await post(member, batch, tally);
    member.dueAt = Date.now() + (waitMs ?? options.lingerMs);
  };

  const start = (member: Member): void => {
    member.busy = true;
    underWay += 1;
    void send(member)
      .catch((error: unknown) => {
        tally.counts.brokenConnections += 1;
        lastTrouble = String(error);
        member.dueAt = Date.now() + 1_000;
      })
      .finally(() => {
        member.busy = false;
        underWay -= 1;
      });
  };

  /** Round and round, from where the last one stopped: none is passed over when all are due. */
  const startDue = (now: number): void => {
    for (let looked = 0; looked < members.length; looked += 1) {
      if (underWay >= options.inFlight) return;
      const member = members[at];
      at = (at + 1) % members.length;
      if (member && !member.busy && member.dueAt <= now) start(member);
    }
  };

  const isDone = (now: number): boolean =>
    options.signal.aborted ||
    (now >= endAt &&
      members.every(({ device, busy }) => !busy && device.next(endAt) === undefined));

  while (!isDone(Date.now()) && Date.now() < endAt + drainMs) {
    const now = Date.now();
    startDue(now);
    if (now >= progressAt) {
      options.onProgress?.(tally);
      progressAt = now + progressMs;
    }
    await new Promise((resume) => setTimeout(resume, tickMs));
  }
  for (const { connection } of members) connection.close();
  return summaryOf({
    options,
    tally,
    members,
    startedAt,
    cpu: process.cpuUsage(cpu),
    endAt,
    lastTrouble,
  });
};

const memberOf = (
  options: FleetOptions,
  identity: Credentials & { id: string },
  index: number,
  startedAt: number,
): Member => {
  const isSlow = index < options.slowRatio * options.devices.length;
  const kits = isSlow && options.slowAfterMs === 0 ? options.kits.slow : options.kits.usual;
  const kit = kits[index % kits.length];
  if (kit === undefined) throw new Error('no kits');
  const device = new Device({
    ...{ index, id: identity.id, kit, rates: options.rates, run: options.run, from: startedAt },
    ...(isSlow && options.slowAfterMs > 0
      ? {
          later: {
            kit: options.kits.slow[index % kits.length] ?? kit,
            from: startedAt + options.slowAfterMs,
          },
        }
      : {}),
  });
  // Spread over what they wait anyway, so that they do not all come at once.
  const dueAt = startedAt + ((index * 0.618_034) % 1) * options.lingerMs;
  const connection = createConnection({
    url: new URL(options.collectorUrl),
    credentials: () => identity,
  });
  return { device, connection, dueAt, configAt: 0, etag: undefined, busy: false };
};

const post = async (
  member: Member,
  batch: MadeBatch,
  tally: Tally,
): Promise<number | undefined> => {
  const { counts } = tally;
  const body = await compress(batch.text, { level: constants.Z_BEST_SPEED });
  const sentMs = performance.now();
  const { status, retryAfterMs, text } = await member.connection.ask(ingestHead, body);
  tally.took(performance.now() - sentMs);
  counts.batches += 1;
  counts.bytes += body.length;
  if (status === 200) {
    counts.acknowledgedResults += batch.resultCount;
    counts.acknowledgedRecords += batch.recordCount;
    member.device.acknowledged();
    return undefined;
  }
  if (status === 503 || status === 429) counts.unavailable += 1;
  else counts.otherAnswers += 1;
  if (status !== 400) return retryAfterMs;
  // The good part is stored; the simulator makes no wrong records, so this is a fault to be told.
  counts.refusedRecords += batch.recordCount;
  throw new Error(text.slice(0, 500));
};

const lookAtConfig = async (member: Member, options: FleetOptions, tally: Tally): Promise<void> => {
  const { configEveryMs } = options;
  member.configAt = configEveryMs === 0 ? Number.POSITIVE_INFINITY : Date.now() + configEveryMs;
  const known = member.etag === undefined ? '' : `if-none-match: ${member.etag}\r\n`;
  const { status, etag } = await member.connection.ask(`GET /v1/config HTTP/1.1\r\n${known}`);
  if (status === 200) tally.counts.configs += 1;
  else if (status === 304) tally.counts.configsUnchanged += 1;
  else tally.counts.otherAnswers += 1;
  member.etag = etag ?? member.etag;
};

const ingestHead =
  'POST /v1/ingest HTTP/1.1\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n';

const summaryOf = (from: {
  options: FleetOptions;
  tally: Tally;
  members: readonly Member[];
  startedAt: number;
  endAt: number;
  cpu: NodeJS.CpuUsage;
  lastTrouble: string | null;
}) => {
  const { options, tally, members, cpu } = from;
  const seconds = (Date.now() - from.startedAt) / 1_000;
  const cpuSeconds = (cpu.user + cpu.system) / 1e6;
  const { counts } = tally;
  const perResult = (value: number) =>
    counts.acknowledgedResults === 0 ? null : value / counts.acknowledgedResults;
  return {
    run: options.run,
    devices: members.length,
    seconds,
    ...counts,
    resultsPerSecond: counts.acknowledgedResults / seconds,
    /** Results that were due at the end and are not acknowledged. */
    owedResults: members.reduce((sum, { device }) => sum + device.owed(from.endAt), 0),
    lastTrouble: from.lastTrouble,
    handshakes: members.reduce((sum, { connection }) => sum + connection.handshakes, 0),
    acknowledgeMs: tally.latencyMs(),
    bytesPerResult: perResult(counts.bytes),
    cpuSeconds,
    cpuMicrosecondsPerResult: perResult(cpuSeconds * 1e6),
    residentMb: Math.round(process.memoryUsage().rss / 1e6),
    acknowledgedOf: members.map(({ device }) => ({
      id: device.id,
      results: device.acknowledgedResults,
      pending: device.pendingResults,
    })),
  };
};

export type Summary = Awaited<ReturnType<typeof runFleet>>;
