import { connect, type Socket } from 'node:net';
import type { DialAttempt } from '#contract/body/connection.ts';
import type { Failure } from '#contract/failure.ts';
import { type CutShort, classifyCutShort, classifyError, failureOf } from './classify.ts';
import { sinceMs } from './duration.ts';
import {
  type Address,
  createNameResolver,
  type DnsSource,
  type FamilyChoice,
  type NameResolver,
  noMore,
} from './resolve.ts';
import { Stop, type StopSignal } from './stop-signal.ts';

export type DialOptions = {
  host: string;
  port: number;
  /** Ends the dial, whatever it waits for. */
  signal: StopSignal;
  /** Left out: one made for this dial, with the system's name servers. */
  resolver?: NameResolver;
  /** Left out: both, as RFC 8305 has it. */
  family?: FamilyChoice;
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
  // A query for the other family that is still out would keep its socket open for seconds.
  const lookup = new Stop();
  const end = lookup.give.bind(lookup);
  options.signal.addEventListener('abort', end, { once: true });
  if (options.signal.aborted) end();
  try {
    return await dialWith(resolver, lookup, options);
  } finally {
    options.signal.removeEventListener('abort', end);
    end();
  }
};

const dialWith = async (
  resolver: NameResolver,
  lookup: Stop,
  options: DialOptions,
): Promise<Dialled> => {
  const found = await resolver.resolve(options.host, lookup, options.family);
  const { dnsMs, source: dnsSource } = found;
  if (!found.ok) {
    const failure = classifyError('dns', found.error, cutShortOf(options));
    return { ok: false, failure, dnsMs, dnsSource, connectMs: null, attempts: [] };
  }
  const race = new Race(options);
  const winner = await race.run(found.addresses, found.later);
  const { attempts, errors, connectMs } = race;
  if (winner === undefined) {
    const failure = classifyRace(errors, cutShortOf(options));
    return { ok: false, failure, dnsMs, dnsSource, connectMs, attempts };
  }
  const { socket, address, family } = winner;
  return { ok: true, socket, address, family, dnsMs, dnsSource, connectMs, attempts };
};

const cutShortOf = ({ signal, cutShort }: DialOptions): CutShort | undefined =>
  signal.aborted ? (cutShort?.() ?? 'timed-out') : undefined;

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

/** A class, because every connection makes one: methods are made once, closures every time. */
class Race {
  readonly attempts: DialAttempt[] = [];
  readonly errors: Loss[] = [];
  readonly #options: DialOptions;
  /** First attempt begun → connected or given up. */
  connectMs = 0;
  #startedMs = performance.now();
  readonly #running = new Set<Attempt>();
  #queue: Address[] = [];
  #expectsMore = true;
  #isOver = false;
  #nextTimer: NodeJS.Timeout | undefined;
  #tell: (winner: Winner | undefined) => void = () => {};

  constructor(options: DialOptions) {
    this.#options = options;
  }

  async run(first: readonly Address[], later: Promise<Address[]>): Promise<Winner | undefined> {
    const { signal } = this.#options;
    const giveUp = this.#finish.bind(this, undefined);
    signal.addEventListener('abort', giveUp, { once: true });
    const done = new Promise<Winner | undefined>((resolve) => {
      this.#tell = resolve;
    });
    this.#queue = interleave(first);
    this.#expectsMore = later !== noMore;
    if (this.#expectsMore) void later.then((more) => this.#take(more));
    this.#startNext();
    if (signal.aborted) giveUp();
    const winner = await done;
    signal.removeEventListener('abort', giveUp);
    return winner;
  }

  #take(more: readonly Address[]): void {
    this.#expectsMore = false;
    this.#queue = interleave([...more, ...this.#queue]);
    if (!this.#isOver && this.#nextTimer === undefined) this.#startNext();
  }

  #startNext(): void {
    clearTimeout(this.#nextTimer);
    this.#nextTimer = undefined;
    const next = this.attempts.length < attemptLimit ? this.#queue.shift() : undefined;
    if (next) {
      // Nobody waits for a turn that no address is left to take.
      if (this.#queue.length > 0 || this.#expectsMore) {
        this.#nextTimer = setTimeout(() => this.#startNext(), attemptDelayMs);
      }
      this.#start(next);
    } else if (this.#running.size === 0 && !this.#expectsMore) {
      this.#finish(undefined);
    }
  }

  #start({ address, family }: Address): void {
    const { port, attemptTimeoutMs } = this.#options;
    const startedMs = sinceMs(this.#startedMs);
    const record: DialAttempt = { address, family, startedMs, endedMs: startedMs, outcome: 'lost' };
    this.attempts.push(record);
    const socket = connect({ host: address, port, family, noDelay: true });
    const attempt: Attempt = {
      socket,
      record,
      timer: setTimeout(
        () => this.#end(attempt, 'timed-out'),
        attemptTimeoutMs ?? attemptTimeoutMsDefault,
      ),
      fail: (error) => this.#end(attempt, outcomeOf(error), error),
    };
    this.#running.add(attempt);
    socket.once('connectionAttempt', () => this.#begin(record));
    socket.once('connect', () => this.#end(attempt, 'connected'));
    socket.on('error', attempt.fail);
  }

  /** Right before the SYN: what Node does to make a socket is no part of the network's time. */
  #begin(record: DialAttempt): void {
    if (record === this.attempts[0]) this.#startedMs = performance.now();
    record.startedMs = sinceMs(this.#startedMs);
  }

  #end(attempt: Attempt, outcome: Outcome, error?: unknown): void {
    if (!this.#running.delete(attempt)) return;
    clearTimeout(attempt.timer);
    attempt.record.endedMs = sinceMs(this.#startedMs);
    attempt.record.outcome = outcome;
    if (outcome === 'connected') {
      attempt.socket.off('error', attempt.fail);
      const { address, family } = attempt.record;
      this.#finish({ socket: attempt.socket, address, family });
      return;
    }
    attempt.socket.destroy();
    this.errors.push({ outcome, error });
    if (!this.#isOver) this.#startNext();
  }

  #finish(winner: Winner | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.connectMs = sinceMs(this.#startedMs);
    clearTimeout(this.#nextTimer);
    for (const attempt of this.#running) this.#end(attempt, winner ? 'lost' : 'timed-out');
    this.#tell(winner);
  }
}

/** Families alternate, the first address's first; the resolver's order is kept within a family. */
const interleave = (addresses: readonly Address[]): Address[] => {
  if (addresses.length < 2) return [...addresses];
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
