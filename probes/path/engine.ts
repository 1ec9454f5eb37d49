import { type ChildProcess, fork } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { ProbeLog } from '#probes/log.ts';
import type {
  EchoRequest,
  EngineOrder,
  EngineReport,
  PathProbePacket,
  TraceRequest,
} from './messages.ts';

/** `not-permitted` says why this machine gives no raw sockets; `crashed` that the child ended. */
export type EngineAnswer =
  | { kind: 'packets'; packets: PathProbePacket[] }
  | { kind: 'not-permitted'; reason: string }
  | { kind: 'crashed'; reason: string };

/** Sends ICMP probes from a child process; one of it serves all path runs and echoes of a program. */
export type PathEngine = {
  trace(request: TraceRequest, signal: AbortSignal): Promise<EngineAnswer>;
  echo(request: EchoRequest, signal: AbortSignal): Promise<EngineAnswer>;
  stop(): Promise<void>;
};

type Order = { kind: 'trace'; request: TraceRequest } | { kind: 'echo'; request: EchoRequest };
type Child = { process: ChildProcess; waiting: Map<number, (answer: EngineAnswer) => void> };

/** The child is forked at the first order, and again after a crash. */
export const createPathEngine = ({ log }: { log?: ProbeLog } = {}): PathEngine => {
  let child: Child | undefined;
  let nextKey = 1;
  let notPermitted: string | undefined;

  const start = (): Child => {
    const started = forkChild();
    log?.debug({ component: 'path', pid: started.process.pid }, 'path engine started');
    started.process.once('exit', (code, signal) => {
      if (child === started) child = undefined;
      const reason = `the path engine ended (${signal ?? `exit code ${code}`})`;
      if (started.waiting.size > 0) log?.warn({ component: 'path', reason }, 'path engine crashed');
      for (const settle of started.waiting.values()) settle({ kind: 'crashed', reason });
      started.waiting.clear();
    });
    return started;
  };

  const noteRefusal = (reason: string): void => {
    if (notPermitted === undefined) {
      log?.warn({ component: 'path', reason }, 'no raw sockets: paths show the target only');
    }
    // Neither capabilities nor installed packages change under a running program.
    notPermitted = reason;
    child?.process.disconnect();
    child = undefined;
  };

  const order = async (wanted: Order, signal: AbortSignal): Promise<EngineAnswer> => {
    if (notPermitted !== undefined) return { kind: 'not-permitted', reason: notPermitted };
    child ??= start();
    const answer = await ask(child, { ...wanted, key: nextKey++ }, signal);
    if (answer.kind === 'not-permitted') noteRefusal(answer.reason);
    return answer;
  };

  return {
    trace: (request, signal) => order({ kind: 'trace', request }, signal),
    echo: (request, signal) => order({ kind: 'echo', request }, signal),
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

const forkChild = (): Child => {
  const waiting: Child['waiting'] = new Map();
  const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
  const entry = fileURLToPath(new URL('./engine-child.ts', import.meta.url));
  const process = fork(entry, [], {
    execArgv: ['--import', loader],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  process.on('message', (report: EngineReport) => {
    const { key, ...answer } = report;
    waiting.get(key)?.(answer);
    waiting.delete(key);
  });
  // A send to a child that is just ending; its exit settles what was waiting.
  process.on('error', () => {});
  return { process, waiting };
};

const ask = (
  child: Child,
  order: Exclude<EngineOrder, { kind: 'cancel' }>,
  signal: AbortSignal,
): Promise<EngineAnswer> =>
  new Promise((resolve) => {
    const cancel = () => void send(child, { kind: 'cancel', key: order.key });
    child.waiting.set(order.key, (answer) => {
      signal.removeEventListener('abort', cancel);
      resolve(answer);
    });
    send(child, order);
    if (signal.aborted) cancel();
    else signal.addEventListener('abort', cancel, { once: true });
  });

const send = (child: Child, order: EngineOrder): void => {
  if (child.process.connected) child.process.send(order, () => {});
};
