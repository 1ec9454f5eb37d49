import { type ChildProcess, fork } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { ProbeLog } from '#probes/log.ts';
import type {
  EchoRequest,
  EngineOrder,
  EngineReport,
  MtuAnswer,
  MtuRequest,
  PathProbePacket,
  PathProtocol,
  SocketMethod,
  TraceRequest,
} from './messages.ts';
import { createRefusals } from './not-permitted.ts';
import { familyOf } from './packet.ts';

/** `not-permitted` says why this machine gives no such sockets; `crashed` that the child ended. */
type Refused = { kind: 'not-permitted'; reason: string } | { kind: 'crashed'; reason: string };
export type EngineAnswer =
  | {
      kind: 'packets';
      packets: PathProbePacket[];
      method: SocketMethod;
      protocol: PathProtocol;
    }
  | Refused;

/** Sends path probes from a child process; one of it serves all path runs and echoes of a program. */
export type PathEngine = {
  /** `onPacket` gets each packet as its fate is known. */
  trace(
    request: TraceRequest,
    signal: AbortSignal,
    onPacket?: (packet: PathProbePacket) => void,
  ): Promise<EngineAnswer>;
  echo(request: EchoRequest, signal: AbortSignal): Promise<EngineAnswer>;
  mtu(request: MtuRequest, signal: AbortSignal): Promise<{ kind: 'mtu'; mtu: MtuAnswer } | Refused>;
  stop(): Promise<void>;
};

type Order = EngineOrder extends infer O ? (O extends { kind: 'cancel' } ? never : O) : never;
type Wanted = Order extends infer O ? (O extends Order ? Omit<O, 'key'> : never) : never;
type Answer = EngineAnswer | { kind: 'mtu'; mtu: MtuAnswer };
type Waiting = { settle: (answer: Answer) => void; onPacket: (packet: PathProbePacket) => void };
type Child = { process: ChildProcess; waiting: Map<number, Waiting> };

type EngineOptions = {
  log?: ProbeLog;
  /** For machines on which the other way is at fault; left out: whichever is better. */
  sockets?: 'net-ping';
};

/** The child is forked at the first order, and again after a crash. */
export const createPathEngine = ({ log, sockets }: EngineOptions = {}): PathEngine => {
  let child: Child | undefined;
  let nextKey = 1;
  /** By protocol and family. */
  const refused = createRefusals();

  const start = (): Child => {
    const started = forkChild(sockets);
    log?.debug({ component: 'path', pid: started.process.pid }, 'path engine started');
    started.process.once('exit', (code, signal) => {
      if (child === started) child = undefined;
      const reason = `the path engine ended (${signal ?? `exit code ${code}`})`;
      if (started.waiting.size > 0) log?.warn({ component: 'path', reason }, 'path engine crashed');
      for (const { settle } of started.waiting.values()) settle({ kind: 'crashed', reason });
      started.waiting.clear();
    });
    return started;
  };

  const order = async (
    wanted: Wanted,
    signal: AbortSignal,
    onPacket: Waiting['onPacket'] = () => {},
  ): Promise<Answer> => {
    const what = `${wanted.kind === 'echo' ? 'icmp' : wanted.request.protocol} over IPv${familyOf(wanted.request.address)}`;
    const known = refused.of(what);
    if (known !== undefined) return { kind: 'not-permitted', reason: known };
    child ??= start();
    const answer = await ask(child, { ...wanted, key: nextKey++ } as Order, signal, onPacket);
    if (answer.kind === 'not-permitted') {
      log?.warn({ component: 'path', what, reason: answer.reason }, 'path probes not permitted');
      refused.note(what, answer.reason);
    }
    return answer;
  };

  return {
    trace: async (request, signal, onPacket) => {
      const isLive = onPacket !== undefined;
      const answer = await order({ kind: 'trace', request, isLive }, signal, onPacket);
      return answer.kind === 'mtu' ? mixedUp : answer;
    },
    echo: async (request, signal) => {
      const answer = await order({ kind: 'echo', request }, signal);
      return answer.kind === 'mtu' ? mixedUp : answer;
    },
    mtu: async (request, signal) => {
      const answer = await order({ kind: 'mtu', request }, signal);
      return answer.kind === 'packets' ? mixedUp : answer;
    },
    async stop() {
      const stopping = child?.process;
      child = undefined;
      if (stopping === undefined || stopping.exitCode !== null) return;
      const ended = new Promise((resolve) => stopping.once('exit', resolve));
      if (stopping.connected) stopping.disconnect();
      const timer = setTimeout(() => stopping.kill('SIGKILL'), 2_000);
      await ended;
      clearTimeout(timer);
    },
  };
};

const mixedUp = { kind: 'crashed', reason: 'the path engine answered another question' } as const;

const forkChild = (sockets: EngineOptions['sockets']): Child => {
  const waiting: Child['waiting'] = new Map();
  const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
  const entry = fileURLToPath(new URL('./engine-child.ts', import.meta.url));
  const process = fork(entry, sockets === undefined ? [] : [sockets], {
    execArgv: ['--import', loader],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  process.on('message', (report: EngineReport) => {
    const { key, ...answer } = report;
    if (answer.kind === 'packet') return waiting.get(key)?.onPacket(answer.packet);
    waiting.get(key)?.settle(answer);
    waiting.delete(key);
  });
  // A send to a child that is just ending; its exit settles what was waiting.
  process.on('error', () => {});
  return { process, waiting };
};

const ask = (
  child: Child,
  order: Order,
  signal: AbortSignal,
  onPacket: Waiting['onPacket'],
): Promise<Answer> =>
  new Promise((resolve) => {
    const cancel = () => void send(child, { kind: 'cancel', key: order.key });
    const settle = (answer: Answer) => {
      signal.removeEventListener('abort', cancel);
      resolve(answer);
    };
    child.waiting.set(order.key, { settle, onPacket });
    send(child, order);
    if (signal.aborted) cancel();
    else signal.addEventListener('abort', cancel, { once: true });
  });

const send = (child: Child, order: EngineOrder): void => {
  if (child.process.connected) child.process.send(order, () => {});
};
