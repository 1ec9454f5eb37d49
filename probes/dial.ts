import { connect, type Socket } from 'node:net';
import type { Failure } from '#contract/failure.ts';
import type { DialAttempt } from '#contract/result.ts';
import { type CutShort, classifyCutShort, classifyError, failureOf } from './classify.ts';
import { sinceMs } from './duration.ts';
import { type Address, createNameResolver, type DnsSource, type NameResolver } from './resolve.ts';

export type DialOptions = {
  host: string;
  port: number;
  /** Ends the dial, whatever it waits for. */
  signal: AbortSignal;
  /** Left out: one made for this dial, with the system's name servers. */
  resolver?: NameResolver;
  /** Why the signal is aborted; left out, an abort is a time-out. */
  cutShort?: () => CutShort | undefined;
  attemptTimeoutMs?: number;
};

/** What is known of a dial whether it worked or not. */
type DialRecord = {
  dnsMs: number | null;
  /** First attempt begun → connected or given up; the waits between attempts are in it. */
  connectMs: number | null;
  dnsSource: DnsSource | null;
  /** In the order in which they began; times are since the first began. */
  attempts: DialAttempt[];
};

/** The socket comes without an error listener: its new owner adds one before the next turn of the loop. */
export type Dialled =
  | (DialRecord & { ok: true; socket: Socket; address: string; family: 4 | 6 })
  | (DialRecord & { ok: false; failure: Failure });

/**
 * Connects to a host the way RFC 8305 has it (happy eyeballs): both families resolved at once,
 * addresses tried in turn with the families alternating, a new attempt every 250 ms or as soon as
 * one fails, each given 5 s; the first to connect wins. Never throws for what the network does.
 *
 * Node's own `autoSelectFamily` is not used: it gives every address but the last 250 ms in all, so
 * one lost SYN fails a dial that would have worked.
 */
export const dial = async (options: DialOptions): Promise<Dialled> => {
  const resolver = options.resolver ?? createNameResolver();
  const lookup = new AbortController();
  const end = () => lookup.abort(dialOver);
  options.signal.addEventListener('abort', end, { once: true });
  if (options.signal.aborted) end();
  try {
    return await dialWith(resolver, lookup.signal, options);
  } finally {
    options.signal.removeEventListener('abort', end);
    // A query for the other family that is still out would keep its socket open for seconds.
    end();
  }
};

/** A ready reason: making an AbortError with its stack costs more than the dial's own JavaScript. */
const dialOver = 'the dial is over';

const dialWith = async (
  resolver: NameResolver,
  lookupSignal: AbortSignal,
  options: DialOptions,
): Promise<Dialled> => {
  const cutShort = () =>
    options.signal.aborted ? (options.cutShort?.() ?? ('timed-out' as const)) : undefined;
  const found = await resolver.resolve(options.host, lookupSignal);
  const record = { dnsMs: found.dnsMs, dnsSource: found.source };
  if (!found.ok) {
    const failure = classifyError('dns', found.error, cutShort());
    return { ok: false, failure, ...record, connectMs: null, attempts: [] };
  }
  const race = createRace(options);
  const winner = await race.run(found.addresses, found.later);
  const done = { ...record, connectMs: race.elapsedMs(), attempts: race.attempts };
  if (winner) return { ok: true, ...winner, ...done };
  return { ok: false, failure: classifyRace(race.errors, cutShort()), ...done };
};

/** RFC 8305 §8: Connection Attempt Delay. */
const attemptDelayMs = 250;
/** A SYN lost once is sent again after 1 s, lost twice after 3 s: 5 s survives both. */
const attemptTimeoutMsDefault = 5_000;
/** Addresses beyond this many are not tried. */
const attemptLimit = 16;

type Outcome = DialAttempt['outcome'];
type Winner = { socket: Socket; address: string; family: 4 | 6 };
type Loss = { outcome: Outcome; error: unknown };
/** `fail` listens until the winner is handed over: a destroyed loser may still report. */
type Attempt = {
  socket: Socket;
  record: DialAttempt;
  timer: NodeJS.Timeout;
  fail: (error: Error) => void;
};

const createRace = (options: DialOptions) => {
  const startedMs = performance.now();
  const elapsedMs = () => sinceMs(startedMs);
  const attempts: DialAttempt[] = [];
  const errors: Loss[] = [];
  const running = new Set<Attempt>();
  let queue: Address[] = [];
  let expectsMore = true;
  let isOver = false;
  let nextTimer: NodeJS.Timeout | undefined;
  let tell: (winner: Winner | undefined) => void = () => {};

  const startNext = (): void => {
    clearTimeout(nextTimer);
    nextTimer = undefined;
    const next = attempts.length < attemptLimit ? queue.shift() : undefined;
    if (next) {
      nextTimer = setTimeout(startNext, attemptDelayMs);
      start(next);
    } else if (running.size === 0 && !expectsMore) {
      finish(undefined);
    }
  };

  const start = ({ address, family }: Address): void => {
    const startedMs = elapsedMs();
    const record: DialAttempt = { address, family, startedMs, endedMs: startedMs, outcome: 'lost' };
    attempts.push(record);
    const socket = connect({ host: address, port: options.port, family, noDelay: true });
    const timer = setTimeout(
      () => end(attempt, 'timed-out'),
      options.attemptTimeoutMs ?? attemptTimeoutMsDefault,
    );
    const fail = (error: Error) => end(attempt, outcomeOf(error), error);
    const attempt: Attempt = { socket, record, timer, fail };
    running.add(attempt);
    socket.once('connect', () => end(attempt, 'connected'));
    socket.on('error', attempt.fail);
  };

  const end = (attempt: Attempt, outcome: Outcome, error?: unknown): void => {
    if (!running.delete(attempt)) return;
    clearTimeout(attempt.timer);
    attempt.record.endedMs = elapsedMs();
    attempt.record.outcome = outcome;
    if (outcome === 'connected') {
      attempt.socket.off('error', attempt.fail);
      const { address, family } = attempt.record;
      finish({ socket: attempt.socket, address, family });
      return;
    }
    attempt.socket.destroy();
    errors.push({ outcome, error });
    if (!isOver) startNext();
  };

  const finish = (winner: Winner | undefined): void => {
    if (isOver) return;
    isOver = true;
    clearTimeout(nextTimer);
    for (const attempt of running) end(attempt, winner ? 'lost' : 'timed-out');
    tell(winner);
  };

  return {
    attempts,
    errors,
    elapsedMs,
    run(first: readonly Address[], later: Promise<Address[]>): Promise<Winner | undefined> {
      const giveUp = () => finish(undefined);
      options.signal.addEventListener('abort', giveUp, { once: true });
      const done = new Promise<Winner | undefined>((resolve) => {
        tell = resolve;
      });
      queue = interleave(first);
      void later.then((more) => {
        expectsMore = false;
        queue = interleave([...more, ...queue]);
        if (!isOver && nextTimer === undefined) startNext();
      });
      startNext();
      if (options.signal.aborted) giveUp();
      return done.finally(() => options.signal.removeEventListener('abort', giveUp));
    },
  };
};

/** Families alternate, the first address's first; the resolver's order is kept within a family. */
const interleave = (addresses: readonly Address[]): Address[] => {
  const lead = addresses[0]?.family ?? 6;
  const one = addresses.filter(({ family }) => family === lead);
  const other = addresses.filter(({ family }) => family !== lead);
  return one
    .flatMap((address, i) => [address, other[i] ?? []].flat())
    .concat(other.slice(one.length));
};

const outcomeOf = (error: NodeJS.ErrnoException): Outcome =>
  outcomes.get(error.code ?? '') ?? 'failed';

const outcomes = new Map<string, Outcome>([
  ['ECONNREFUSED', 'refused'],
  ['ECONNRESET', 'reset'],
  ['ETIMEDOUT', 'timed-out'],
  ['EHOSTUNREACH', 'unreachable'],
  ['ENETUNREACH', 'unreachable'],
  ['EADDRNOTAVAIL', 'unreachable'],
]);

/** Most telling first: an IPv6 address without a route says less than an IPv4 one that refused. */
const tellingOrder: readonly Outcome[] = ['refused', 'reset', 'timed-out', 'failed', 'unreachable'];

const classifyRace = (errors: readonly Loss[], cutShort: CutShort | undefined): Failure => {
  if (cutShort === 'abandoned') return classifyCutShort('connect', cutShort);
  const telling = tellingOrder
    .flatMap((outcome) => errors.filter((loss) => loss.outcome === outcome))
    .at(0);
  if (telling === undefined || telling.outcome === 'timed-out') {
    const count = errors.filter(({ outcome }) => outcome === 'timed-out').length;
    return failureOf(
      'tcp.timed_out',
      'connect',
      `no answer from ${count || 'any'} address(es) tried`,
    );
  }
  return classifyError('connect', telling.error);
};
