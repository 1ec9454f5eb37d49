import { isIP } from 'node:net';
import type { ForwardingPolicy } from '#contract/policy.ts';
import { openLibc } from '#runtime/kernel/libc.ts';
import { holdTable, type OwnedTable } from '#runtime/kernel/owned-table.ts';
import type { Log } from '#runtime/log.ts';
import { createStopper, type Running } from '#runtime/service.ts';
import type { Open } from '../forwarding/open.ts';
import type { FlowFacts, RouteDecision } from '../forwarding/route.ts';
import type { NetworkVerdict } from '../network/network-type.ts';
import { readLocalFacts } from '../network/read-facts.ts';
import type { CaptureConfig } from './config.ts';
import { createConfirm } from './confirm.ts';
import { type DnsCapture, type DnsCounts, startDnsCapture } from './dns.ts';
import type { IpCapture } from './ip.ts';
import { createNames, type Names } from './names.ts';
import { type OwnTraffic, ownTrafficOf } from './own-traffic.ts';
import { addPolicyRouting, removePolicyRouting } from './policy-routing.ts';
import type { ProcessOf } from './process.ts';
import { type CaptureRules, captureCommands, withdrawCommands } from './rules.ts';
import { decideScope, pastAgent } from './scope.ts';
import { startTcpCapture, type TcpCapture } from './tcp.ts';

export type CaptureStatus = {
  isOn: boolean;
  /** What of the programs' traffic is taken: `tcp`, `dns`, … */
  what: string[];
  reason: string;
  /** What is not as the config wants it, and how to get it; null: nothing. */
  problem: string | null;
  tcpFlowCount: number;
  dns: DnsCounts;
};

export type Capture = Running & {
  /** After a change of the policy or of the network; resolves when the kernel has it. */
  update(): Promise<void>;
  status(): CaptureStatus;
};

/** What capture of datagrams and packets is given; it starts what it needs. */
export type CaptureMeans = { own: OwnTraffic; names: Names };

type Parts = {
  config: CaptureConfig;
  /** Of the device; several agents on one machine have a table each. */
  id: string;
  open: Open;
  /** The decision for a flow by the policy and network of now. */
  route: (flow: FlowFacts) => RouteDecision;
  /** Undefined until the first has come. */
  policy: () => ForwardingPolicy | undefined;
  network: () => NetworkVerdict;
  /** Of collector and edges. */
  ownHosts?: () => readonly string[];
  /** Undefined while no rule asks for it. */
  processOf: () => ProcessOf | undefined;
  startUdp?: (means: CaptureMeans) => Promise<{ port: number; stop(): Promise<void> | void }>;
  startIp?: (means: CaptureMeans) => Promise<IpCapture>;
  log: Log;
  dnsServers?: () => readonly string[];
};

/** Name servers change with the network, and nobody tells. */
const reviewIntervalMs = 2_000;
const retryMs = 10_000;

/**
 * Takes the traffic of this machine's programs by rules of the kernel, and withdraws them where the
 * policy and the network do not ask for it. The rules go with this process, however it ends. Throws
 * ConfigError where the config cannot be kept; what the machine lacks is told by `status`.
 */
export const startCapture = async (parts: Parts): Promise<Capture> => {
  const log = parts.log.child({ component: 'capture' });
  const own = ownTrafficOf(parts.config);
  const stopper = createStopper(log);
  const listening = await startListening(parts, own, stopper).catch(async (error: unknown) => {
    await stopper.stop();
    throw error;
  });
  const kernel = createKernel({ parts, listening, own, log });
  stopper.add('rules', () => kernel.stop());
  const timer = setInterval(() => void kernel.update(), reviewIntervalMs);
  stopper.add('review', () => clearInterval(timer));
  await kernel.update();
  return {
    async update() {
      listening.ip?.update();
      await kernel.update();
    },
    status: () => ({
      ...kernel.status(),
      tcpFlowCount: listening.tcp?.flowCount() ?? 0,
      dns: listening.dns?.counts() ?? { direct: 0, tunnel: 0, private: 0, failed: 0 },
    }),
    stop: () => stopper.stop(),
  };
};

/** What stands behind the rules. */
type Listening = {
  tcp: TcpCapture | undefined;
  dns: DnsCapture | undefined;
  udp: { port: number } | 'reject-quic' | undefined;
  ip: IpCapture | undefined;
  problems: string[];
};

const startListening = async (
  parts: Parts,
  own: OwnTraffic,
  stopper: ReturnType<typeof createStopper>,
): Promise<Listening> => {
  const { config, open, log } = parts;
  const names = createNames();
  const problems: string[] = [];
  const libc = config.tcp === false ? undefined : await openLibc();
  if (config.tcp !== false && libc === undefined) {
    problems.push('TCP: koffi cannot be loaded, so nobody says where a connection was to go');
  }
  const confirm = createConfirm({ route: parts.route, names });
  const tcp = libc && (await startTcpCapture({ ...parts, libc, names, confirm }));
  if (tcp) stopper.add('tcp capture', () => tcp.stop());
  const dns = config.dns === false ? undefined : startDnsCapture({ ...parts, open, names, log });
  if (dns) stopper.add('dns capture', () => dns.stop());
  const attempt = async <T extends { stop(): Promise<void> | void }>(
    what: string,
    start: ((means: CaptureMeans) => Promise<T>) | undefined,
  ): Promise<T | undefined> => {
    try {
      const started = await start?.({ own, names });
      if (started) stopper.add(what, () => started.stop());
      return started;
    } catch (error) {
      problems.push(`${what}: ${(error as Error).message}`);
      return undefined;
    }
  };
  const wanted = config.udp ?? 'carry';
  const udp = wanted === 'carry' ? await attempt('UDP', parts.startUdp) : undefined;
  const ip = config.other === true ? await attempt('ICMP', parts.startIp) : undefined;
  return { tcp, dns, udp: udp ?? (wanted === 'leave' ? undefined : 'reject-quic'), ip, problems };
};

/** Keeps the kernel's rules as they should be now. */
const createKernel = ({
  parts,
  listening,
  own,
  log,
}: {
  parts: Parts;
  listening: Listening;
  own: OwnTraffic;
  log: Log;
}) => {
  const name = `whyslow_capture_${parts.id.replace(/[^a-z0-9]/gi, '').slice(0, 12)}`;
  let table: OwnedTable | undefined;
  let applied: string | undefined;
  let seen: string | undefined;
  let hasRouting = false;
  let isStopped = false;
  let isOn = false;
  let reason = 'starting';
  let problem: string | null = null;
  let notBeforeMs = 0;
  let againAtMs = Number.POSITIVE_INFINITY;
  let turn: Promise<void> = Promise.resolve();

  const hold = async (): Promise<OwnedTable> => {
    if (listening.udp !== undefined && !hasRouting) {
      await (typeof listening.udp === 'object' ? addPolicyRouting() : removePolicyRouting());
      hasRouting = typeof listening.udp === 'object';
    }
    return holdTable({
      family: 'inet',
      name,
      onLost(why) {
        table = undefined;
        applied = undefined;
        seen = undefined;
        problem = why;
        isOn = false;
        log.error({ reason: why }, 'capture rules are gone; they are made anew');
      },
    });
  };
  const apply = async (commands: string): Promise<void> => {
    if (commands === applied) return;
    table ??= await hold();
    await table.run(commands);
    applied = commands;
  };
  const withdraw = async (): Promise<void> => {
    if (table !== undefined) await apply(withdrawCommands(table.name));
    isOn = false;
  };
  const impose = async (policy: ForwardingPolicy): Promise<void> => {
    const servers = usable((parts.dnsServers ?? (() => readLocalFacts().dnsServers))());
    // Asking the policy for all its ranges is work: only when something has changed. While the device
    // is shut not even a local address is direct.
    const local = parts.route({ host: '169.254.255.254', port: 0 }).action;
    const key = JSON.stringify([parts.network().type, local, servers, policy]);
    if (isOn && key === seen && performance.now() < againAtMs) return;
    const rules: CaptureRules = {
      table: `inet ${name}`,
      own,
      past: {
        tcp: pastAgent(policy, parts.route, 'tcp'),
        udp: pastAgent(policy, parts.route, 'udp'),
      },
      tcpPort: listening.tcp?.port,
      dns: (await listening.dns?.listen(servers)) ?? [],
      udp: listening.udp,
    };
    await apply(captureCommands(rules));
    seen = key;
    const isWhole = listening.dns?.problem() === undefined;
    againAtMs = isWhole ? Number.POSITIVE_INFINITY : performance.now() + retryMs;
    isOn = true;
  };
  const look = async (): Promise<void> => {
    if (isStopped || performance.now() < notBeforeMs) return;
    const policy = parts.policy();
    const scope = decideScope(policy, parts.network());
    const before = `${isOn} ${reason}`;
    reason = scope.reason;
    try {
      if (scope.isWanted && policy !== undefined) await impose(policy);
      else await withdraw();
      problem = null;
    } catch (error) {
      isOn = false;
      seen = undefined;
      problem = inWords((error as Error).message);
      notBeforeMs = performance.now() + retryMs;
      log.error({ problem, err: error }, 'traffic is not captured');
    }
    if (`${isOn} ${reason}` !== before) log.info({ isOn, reason }, 'capture changed');
  };

  return {
    update(): Promise<void> {
      turn = turn.then(look);
      return turn;
    },
    status: () => ({
      isOn,
      what: isOn ? whatOf(listening) : [],
      reason,
      problem:
        [
          problem,
          ...listening.problems,
          ...(isOn ? [dnsProblem(listening.dns), packetsProblem(listening.ip)] : []),
        ]
          .filter((each) => each !== null)
          .join('; ') || null,
    }),
    async stop() {
      isStopped = true;
      await turn;
      await table?.stop();
      if (hasRouting) await removePolicyRouting().catch(() => {});
    },
  };
};

/**
 * A server on this machine asks others itself, and those queries are captured. One with a link-local
 * address is left alone: its answers could not come back over loopback.
 */
const usable = (servers: readonly string[]): string[] =>
  [...new Set(servers)].filter((server) => {
    const address = server.replace(/%.*$/, '');
    return isIP(address) !== 0 && !/^(127\.|::1$|fe[89ab])/i.test(address);
  });

const dnsProblem = (dns: DnsCapture | undefined): string | null => {
  const problem = dns?.problem();
  return problem === undefined ? null : `DNS: queries to ${problem} are not taken`;
};

const packetsProblem = (ip: IpCapture | undefined): string | null => {
  const status = ip?.status();
  if (status === undefined || status.state === 'carried') return null;
  return `ICMP and the rest are ${status.state === 'held' ? 'held back' : 'direct'}: ${status.reason}`;
};

const whatOf = ({ tcp, dns, udp, ip }: Listening): string[] => [
  ...(tcp === undefined ? [] : ['TCP']),
  ...(dns === undefined ? [] : ['DNS']),
  ...(udp === undefined ? [] : [udp === 'reject-quic' ? 'QUIC refused' : 'UDP']),
  ...(ip === undefined ? [] : ['ICMP and the rest']),
];

/** Without the rules it was about, and with what an operator can do. */
const inWords = (message: string): string => {
  const first = message.split('\n')[0] ?? message;
  if (/operation not permitted/i.test(first)) {
    return `${first}: the agent needs CAP_NET_ADMIN, and so do the programs it starts (AmbientCapabilities of its systemd unit)`;
  }
  return /ENOENT/.test(first) ? `${first}: install nftables` : first;
};
