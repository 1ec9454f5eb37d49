import { hostname } from 'node:os';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { pathProtocols } from '#contract/body/path.ts';
import { createPathEngine, type EngineAnswer, type PathEngine } from '#probes/path/engine.ts';
import { createHopNames, type HopNames } from '#probes/path/hop-names.ts';
import type { PathProbePacket, PathProtocol, TraceRequest } from '#probes/path/messages.ts';
import { type OriginTable, readOrigins } from '#probes/path/origins.ts';
import { endHop } from '#probes/path/strategy.ts';
import { environment } from '#runtime/config.ts';
import { printableJson } from './probe/lines.ts';
import { definePath } from './probe/target.ts';
import { findTarget } from './trace/find-target.ts';
import { openScreen } from './trace/screen.ts';
import { type Line, traceLines } from './trace/trace-lines.ts';
import {
  addPacket,
  type BranchSearch,
  roundsOf,
  type TraceState,
  type TraceView,
  viewOf,
  withOrigins,
} from './trace/trace-state.ts';
import { createTurns, type Turns } from './trace/turns.ts';
import { UsageError } from './usage-error.ts';

type TraceOptions = {
  protocol?: PathProtocol;
  port?: number;
  ipv4?: true;
  ipv6?: true;
  count?: number;
  interval?: number;
  maxHops: number;
  branches?: true;
  mtu?: true;
  names: boolean;
  asnFile?: string;
  report?: true;
  json?: true;
};

/** `whyslow trace HOST`: the path, live in a terminal, else as a report. */
export const registerTrace = (program: Command): void => {
  program
    .command('trace <host>')
    .description('follow the path to a host, hop by hop: live in a terminal, else as a report')
    .addOption(
      new Option('--protocol <protocol>', 'what to send; tcp where a port is given').choices([
        ...pathProtocols,
      ]),
    )
    .option('--port <port>', 'for tcp and udp', wholeNumber(1, 65_535))
    .option('-4, --ipv4', 'IPv4 only')
    .option('-6, --ipv6', 'IPv6 only')
    .option('-c, --count <rounds>', 'stop after so many rounds', wholeNumber(1, 100_000))
    .option('-i, --interval <seconds>', 'between rounds, from 0.1', readInterval)
    .option('--max-hops <hops>', 'go no further', wholeNumber(1, 30), 30)
    .option(
      '--branches',
      'send many flows to find every branch (ECMP), with loss of each; needs tcp or udp',
    )
    .option('--mtu', 'find the largest packet that passes, and holes that swallow larger ones')
    .option('-n, --no-names', 'do not ask for hops’ names')
    .option('--asn-file <file>', 'table of ASN and country (also WHYSLOW_ASN_FILE)')
    .option('--report', 'no screen: trace, then print')
    .option('--json', 'print the result as one line of JSON')
    .action(runTrace);
};

/** Exit code 1: the target did not answer. */
const runTrace = async (target: string, options: TraceOptions): Promise<void> => {
  const { host, protocol, port } = definePath(target, options);
  const origins = openOrigins(options.asnFile ?? environment('WHYSLOW_ASN_FILE'));
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  const engine = createPathEngine();
  const startedAt = new Date();
  try {
    const family = options.ipv4 ? 'ipv4' : options.ipv6 ? 'ipv6' : 'any';
    const address = await findTarget(host, family, stopping.signal);
    const state = emptyState({ target: host, address, protocol, port });
    const isLive = process.stdout.isTTY && !options.report && !options.json;
    const names = options.names ? createHopNames() : undefined;
    const { signal } = stopping;
    const turns = createTurns(signal, () => {
      state.packets = [];
    });
    const follow = { state, options, engine, names, origins, signal, turns, stop };
    await (isLive ? traceLive(follow) : traceOnce(follow));
    const view = await describe(follow);
    console.log((options.json ? asJson : asReport)(state, view, startedAt));
    if (!view.reached) process.exitCode = 1;
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    await engine.stop();
  }
};

type Following = {
  state: TraceState;
  options: TraceOptions;
  engine: PathEngine;
  names: HopNames | undefined;
  origins: OriginTable | undefined;
  signal: AbortSignal;
  turns: Turns;
  stop: () => void;
};

const redrawMs = 200;
const liveIntervalMs = 1_000;
/** As many rounds as a report of a trace that was not told how many. */
const reportRounds = 10;

const traceOnce = async (following: Following): Promise<void> => {
  const { options } = following;
  await traceAll(following, {
    packetCount: options.count ?? reportRounds,
    intervalMs: options.interval ?? null,
  });
};

const traceLive = async (following: Following): Promise<void> => {
  const { state, options, stop, turns } = following;
  const shown = { ...following };
  const keys: Record<string, () => void> = {
    q: stop,
    p: turns.pauseOrGoOn,
    ' ': turns.pauseOrGoOn,
    r: turns.anew,
    n() {
      shown.names = shown.names === undefined ? (following.names ?? createHopNames()) : undefined;
    },
  };
  const screen = openScreen(process.stdout, (key) => {
    keys[key]?.();
    void draw();
  });
  let isDrawing = false;
  const draw = async () => {
    if (isDrawing) return;
    isDrawing = true;
    const view = await describe(shown);
    const width = screen.width();
    screen.show([...traceLines(state, view, { width, isLive: true }), keyLine(view, turns)]);
    isDrawing = false;
  };
  const timer = setInterval(() => void draw(), redrawMs);
  try {
    await traceAll(following, {
      packetCount: options.count ?? 1_000_000,
      intervalMs: options.interval ?? liveIntervalMs,
    });
  } finally {
    clearInterval(timer);
    screen.close();
  }
};

const keyLine = ({ rounds }: TraceView, turns: Turns): Line => ({
  text: `round ${rounds}; q or Ctrl-C ends with a report, p ${turns.isPaused() ? 'goes on' : 'pauses'}, r begins anew, n names`,
  look: turns.isPaused() ? 'warn' : 'quiet',
});

/** The trace itself; beside it what else was asked for. */
const traceAll = async (
  following: Following,
  pace: Pick<TraceRequest, 'packetCount' | 'intervalMs'>,
): Promise<void> => {
  const { state, options } = following;
  const beside = (async () => {
    if (options.mtu) await findMtu(following);
    if (options.branches) await findBranches(following);
  })();
  for (const protocol of state.protocol === 'icmp'
    ? (['icmp', 'tcp'] as const)
    : [state.protocol]) {
    const request = requestOf(state, options, { ...pace, protocol, flows: 1 });
    const answer = await traceInTurns(following, request);
    if (answer.kind === 'crashed') throw new Error(answer.reason);
    if (answer.kind === 'packets') break;
    if (protocol !== 'icmp') throw new UsageError(`${protocol} probes: ${answer.reason}`);
    state.protocol = 'tcp';
    state.notes.push('ICMP is not permitted here (see docs/probes-path.md): traced by TCP instead');
  }
  await beside;
};

const traceInTurns = async (
  { state, engine, turns }: Following,
  request: TraceRequest,
): Promise<EngineAnswer> => {
  for (let turn = 0; ; turn += 1) {
    const firstRound = roundsOf(state.packets);
    const left = Math.max(1, request.packetCount - firstRound);
    const knownHopCount = endHop(state.packets);
    const signal = turns.begin();
    const take = (packet: PathProbePacket) => {
      // What comes in behind a new beginning belongs to what was before.
      if (!signal.aborted) addPacket(state, { ...packet, round: packet.round + firstRound });
    };
    const rest = { ...request, packetCount: left, knownHopCount };
    const answer = await engine.trace(rest, signal, take);
    if (answer.kind !== 'packets') return answer;
    state.method = answer.method;
    if (!(await turns.goesOn())) {
      if (turn === 0 && left <= mostAnswered) state.packets = answer.packets;
      return answer;
    }
  }
};

/** Of so many rounds the engine's own list is whole, with the packets nobody waited for. */
const mostAnswered = 100;
const packetTimeoutMs = 1_000;

const requestOf = (
  { address, port }: TraceState,
  { maxHops }: TraceOptions,
  rest: Pick<TraceRequest, 'packetCount' | 'intervalMs' | 'protocol' | 'flows'>,
): TraceRequest => ({ address, port, maxHops, packetTimeoutMs, knownHopCount: null, ...rest });

const findMtu = async ({ state, engine, signal }: Following): Promise<void> => {
  const { address, protocol, port } = state;
  const request = { address, protocol, port, timeoutMs: packetTimeoutMs };
  const answer = await engine.mtu(request, signal);
  if (answer.kind === 'mtu') state.mtu = answer.mtu;
  else state.notes.push(`path MTU: ${answer.reason}`);
};

/** Of each flow, beyond what finds the branches. */
const branchPackets = 10;

const findBranches = async ({ state, options, engine, signal }: Following): Promise<void> => {
  const request = requestOf(state, options, {
    protocol: state.protocol,
    flows: 'branches',
    packetCount: Math.min(options.count ?? branchPackets, 20),
    intervalMs: null,
  });
  const answer = await engine.trace(request, signal);
  if (answer.kind !== 'packets') return void state.notes.push(`branches: ${answer.reason}`);
  state.flowPackets = answer.packets;
  const flows = new Set(answer.packets.map(({ flow }) => flow)).size;
  const hops = viewOf(state).hops.filter(({ branches }) => branches !== undefined).length;
  state.branches = { flowCount: flows, hopCount: hops, isConclusive: state.protocol !== 'icmp' };
  state.notes.push(branchNote(state.branches));
};

/** Most routers, Linux among them, balance ICMP by address only: its flows then take one path. */
const branchNote = ({ flowCount, hopCount, isConclusive }: BranchSearch): string => {
  const seen = `at ${hopCount} ${hopCount === 1 ? 'hop' : 'hops'}, by ${flowCount} flows`;
  if (!isConclusive) {
    const few = hopCount === 0 ? '' : `${seen}, but `;
    return `branches: ${few}by ICMP they cannot be told: use --port or --protocol udp`;
  }
  return hopCount === 0
    ? `branches: one path only, by ${flowCount} flows (95 % sure of each hop)`
    : `branches: ${seen}`;
};

const describe = async ({ state, names, origins }: Following): Promise<TraceView> => {
  const view = viewOf(state);
  return { ...view, hops: await withOrigins(view.hops, names, origins) };
};

const emptyState = (
  about: Pick<TraceState, 'target' | 'address' | 'protocol' | 'port'>,
): TraceState => ({
  ...about,
  method: null,
  packets: [],
  flowPackets: [],
  mtu: null,
  branches: null,
  notes: [],
});

const reportWidth = 200;

/** With whence and when: reports end up in tickets. */
const asReport = (state: TraceState, view: TraceView, startedAt: Date): string => {
  const lines = traceLines(state, view, { width: reportWidth, isLive: false });
  const [title = '', ...rest] = lines.map(({ text }) => text);
  const when = startedAt.toISOString().slice(0, 19).replace('T', ' ');
  return [`${title}; from ${hostname()}, ${when} UTC`, ...rest].join('\n');
};

const asJson = (
  { target, address, protocol, port, method, mtu, branches, notes }: TraceState,
  view: TraceView,
  startedAt: Date,
): string => {
  const asked = { target, address, protocol, port, method, from: hostname(), startedAt };
  return printableJson({
    ...asked,
    ...view,
    ...(mtu && { mtu }),
    ...(branches && { branches }),
    notes,
  });
};

const openOrigins = (file: string | undefined): OriginTable | undefined => {
  if (file === undefined) return undefined;
  try {
    return readOrigins(file);
  } catch (error) {
    throw new UsageError(`table of owners ${file}: ${(error as Error).message}`);
  }
};

const wholeNumber =
  (lowest: number, highest: number) =>
  (text: string): number => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= lowest && value <= highest) return value;
    throw new InvalidArgumentError(`Give a whole number from ${lowest} to ${highest}.`);
  };

const readInterval = (text: string): number => {
  const value = Number(text);
  if (value >= 0.1 && value <= 3_600) return value * 1_000;
  throw new InvalidArgumentError('Give seconds from 0.1 to 3600, as in 0.5.');
};
