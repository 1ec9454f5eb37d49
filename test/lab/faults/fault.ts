import type { Segment } from '#contract/verdict.ts';
import type { Impairment } from '../shim/control.ts';
import type { Direction } from '../topology/topology.ts';

/** One thing done to the lab. Data only: `apply.ts` knows how to do and undo each. */
export type FaultAction =
  | { do: 'shim'; key: string; set: Partial<Impairment> }
  /** Token bucket on one direction; a long queue makes it bufferbloat. */
  | { do: 'rate'; direction: Direction; kbits: number; queueMs: number }
  /** Bulk TCP from one node to another, through what is between them. */
  | { do: 'bulk'; from: string; to: string }
  /** Smaller MTU on the sending end; `silent` drops the "fragmentation needed" that would tell. */
  | { do: 'mtu'; direction: Direction; bytes: number; silent: boolean }
  /** Other routing metric for a link; all tables are computed anew and only differences applied. */
  | { do: 'metric'; link: string; metric: number }
  | { do: 'link-down'; link: string }
  /** Kernel's own limit on ICMP errors of a node (net.ipv4/ipv6 icmp ratelimit), ms between two. */
  | { do: 'icmp-limit'; node: string; everyMs: number }
  /** A service's behaviour; see services/control.ts. */
  | { do: 'service'; node: string; set: Record<string, unknown> }
  /** A portal at the gateway answers HTTP in everyone's name and drops the rest. */
  | { do: 'captive-portal'; gateway: string }
  /** `duty-cycle`: stopped and continued in turn, as an overloaded machine whose kernel still answers. */
  | { do: 'program'; program: string; effect: 'duty-cycle'; stoppedMs: number; runningMs: number }
  | { do: 'program'; program: string; effect: 'stop' }
  | { do: 'program'; program: string; effect: 'cpu-quota'; ratio: number }
  | { do: 'program'; program: string; effect: 'clock-step'; seconds: number };

/** What is really wrong: what a verdict is held against. */
export type Truth =
  | {
      blame: 'segment';
      /** Accepted segments; the first is the best answer. */
      segments: readonly [Segment, ...Segment[]];
      /** Node (`ia2`), or link (`ia1-ia2`). */
      element: string;
      /** Also right: neighbours of a silent hop (the visible boundary moves by one). */
      alsoElements?: readonly string[];
      /** Whether requests fail or are slow; both where either may be seen. */
      states: readonly ('slow' | 'failing')[];
      /** Devices and applications that suffer; everything else must be found innocent. */
      devices: readonly string[];
      applications: readonly string[];
    }
  /** A decoy or a healthy network: no verdict may name anything. */
  | { blame: 'nobody' }
  /** Own link down, asleep, portal: the application must not be called slow or failing. */
  | { blame: 'third-state'; devices: readonly string[] };

export type Fault = {
  /** `isp-a-delay`: what `npm run lab -- fault set` takes. */
  name: string;
  /** One sentence for people. */
  what: string;
  actions: readonly FaultAction[];
  truth: Truth;
  /** How long the network needs to be itself again after clearing; ms. */
  settleMs: number;
};
