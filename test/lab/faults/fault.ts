import type { Segment } from '#contract/verdict.ts';
import type { Impairment } from '../shim/control.ts';
import type { Direction } from '../topology/topology.ts';

/** One thing done to the lab. Data only: `actions/` knows how to do and undo each. */
export type FaultAction =
  /** Times are added to what the link has of its own; ratios and bursts stand as given. */
  | { do: 'shim'; key: string; add: Partial<Impairment> }
  /** Token bucket on one direction; a long queue makes it bufferbloat. */
  | { do: 'rate'; direction: Direction; kbits: number; queueMs: number }
  /** Bulk TCP from one node to another, through what is between them. */
  | { do: 'bulk'; from: string; to: string }
  /**
   * Smaller MTU on the sending end; `silent` drops the "fragmentation needed" that would tell. Not
   * below 1280: the kernel takes IPv6 from such an interface (RFC 8200 section 5).
   */
  | { do: 'mtu'; direction: Direction; bytes: number; silent: boolean }
  /** One family's packets vanish where they leave in this direction. */
  | { do: 'drop'; direction: Direction; family: 'ipv4' | 'ipv6' }
  /** Other routing metric for a link; all tables are computed anew and only differences applied. */
  | { do: 'metric'; link: string; metric: number }
  /** Cable out at the switch. Only links of a switch: a router would lose addresses and routes. */
  | { do: 'link-down'; link: string }
  /** Kernel's own limit on ICMP errors of a node (net.ipv4/ipv6 icmp ratelimit), ms between two. */
  | { do: 'icmp-limit'; node: string; everyMs: number }
  /** A service's behaviour; see services/control.ts. */
  | { do: 'service'; node: string; set: Readonly<Record<string, unknown>> }
  /** A portal at the gateway answers HTTP in everyone's name, lets DNS through and drops the rest. */
  | { do: 'captive-portal'; gateway: string }
  | ProgramAction;

/** Done to a running program of ours, from outside. */
export type ProgramAction = { do: 'program'; program: string } & (
  | /** Stopped and continued in turn, as an overloaded machine whose kernel still answers. */
  { effect: 'duty-cycle'; stoppedMs: number; runningMs: number }
  /** Stopped until the fault is cleared: hanging, or asleep. */
  | { effect: 'stop' }
  /** Share of one CPU that the program and its children get together. */
  | { effect: 'cpu-quota'; ratio: number }
  /** Its wall clock goes on so many seconds later (negative: earlier); see clock.ts. */
  | { effect: 'clock-step'; seconds: number }
);

/** Every one of these devices with every one of these applications. */
export type Reach = { devices: readonly string[]; applications: readonly string[] };

/** What is right to say of some devices and applications. */
export type Effect = Reach & {
  /** Accepted segments; the first is the best answer. */
  segments: readonly [Segment, ...Segment[]];
  /** Whether requests fail or are slow; both where either may be seen. */
  states: readonly ('slow' | 'failing')[];
};

/** What is really wrong: what a verdict is held against. Pairs named nowhere must be found innocent. */
export type Truth =
  | (Effect & {
      blame: 'segment';
      /** Node (`ia2`), or link (`ia1-ia2`). */
      element: string;
      /** Also right: neighbours of a silent hop (the visible boundary moves by one). */
      alsoElements?: readonly string[];
      /** Pairs on which the same fault, or the second one of a mixture, must be told otherwise. */
      also?: readonly Effect[];
      /** Pairs that it touches too little for a verdict: right with one and right without. */
      tolerated?: readonly Reach[];
    })
  /** A decoy or a healthy network: no verdict may name anything. */
  | { blame: 'nobody' }
  /** Own link down, asleep, portal: the application must not be called slow or failing. */
  | { blame: 'third-state'; devices: readonly string[] };

/** Issue 3's list of what the lab must be able to do, and what came to it. */
export const faultKinds = [
  'healthy',
  'delay',
  'jitter',
  'loss',
  'one-way-loss',
  'reverse-loss',
  'rate-limit',
  'bufferbloat',
  'path-change',
  'ecmp-branch-loss',
  'silent-hop',
  'icmp-rate-limit',
  'late-icmp',
  'mtu-black-hole',
  'ipv6-hole',
  'slow-dns',
  'broken-dns',
  'wifi-loss',
  'wifi-latency',
  'overloaded-edge',
  'slow-connect',
  'far-edge',
  'slow-server',
  'slow-tls',
  'server-errors',
  'server-refuses',
  'server-hangs',
  'expired-certificate',
  'slow-body',
  'slow-third-party',
  'heavy-page',
  'busy-device',
  'link-down',
  'captive-portal',
  'suspended-device',
  'clock-step',
  'private-application',
  'private-wan',
  'other-site',
  'other-application',
  'other-path',
  'collector-path',
  'mixed',
] as const;
export type FaultKind = (typeof faultKinds)[number];

export type Fault = {
  /** `isp-a-delay`: what `npm run lab -- fault set` takes. */
  name: string;
  kinds: readonly FaultKind[];
  /** One sentence for people. */
  what: string;
  actions: readonly FaultAction[];
  truth: Truth;
  /** How long the network needs to be itself again after clearing; ms. */
  settleMs: number;
  /** Only page loads can see it. */
  needs?: 'page-load';
  /** Devices that cannot reach the collector while it is set: what they saw arrives after clearing. */
  offline?: readonly string[];
  /**
   * Devices change to the far edge and come back 5 minutes later at the earliest (the agent's rest
   * between switches): whoever goes on testing pins the near edge for a moment.
   */
  movesEdge?: true;
};

/** Main effect first; of a fault that blames no segment there is none. */
export const effectsOf = (truth: Truth): readonly Effect[] =>
  truth.blame === 'segment' ? [truth, ...(truth.also ?? [])] : [];
