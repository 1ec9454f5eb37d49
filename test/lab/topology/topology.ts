/**
 * A network as data. Nodes are network namespaces, links are veth pairs with a one-way delay each
 * way. Everything else (addresses of links, routes, queues) follows from this.
 */
export type NodeRole =
  | 'device'
  /** An Ethernet switch or Wi-Fi access point: bridges, has no address of its own. */
  | 'switch'
  /** Translates its site's IPv4 addresses (NAT); no packet is queued in it. */
  | 'gateway'
  | 'router'
  | 'edge'
  | 'collector'
  | 'name-server'
  | 'server';

export type LabNode = {
  /** Unique, `/^[a-z][a-z0-9]{0,9}$/`. */
  name: string;
  role: NodeRole;
  /** For people: "core router of ISP A". */
  what: string;
  /** Autonomous system number, for routers and what stands behind them; 0: a private site. */
  asn: number;
  /** Where other nodes reach it; on `lo` for nodes with links of their own, on the link behind a switch. */
  address4: string;
  address6: string;
  /** Answers to the names it serves: `crm.saas.test`. */
  names?: readonly string[];
  /** Node name of its resolver; absent: it has none (routers). */
  resolver?: string;
};

export type LabLink = {
  /** Node names. `a` is the end nearer to the users. Its id is `${a}-${b}`. */
  a: string;
  b: string;
  /** One way, each way, in ms. */
  delayMs: number;
  /** Mean of an exponential addition to each packet, in ms; packets keep their order. */
  jitterMs?: number;
  /** Token bucket (tbf) per direction, in Mbit/s. */
  rateMbits?: { fromA: number; fromB: number };
  /** Routing metric; absent: `delayMs`. Paths of equal cost share the load by flow (ECMP). */
  metric?: number;
};

export type Topology = {
  name: string;
  nodes: readonly LabNode[];
  links: readonly LabLink[];
  /** Private prefixes behind a gateway that only the named nodes may reach: gateway → nodes. */
  reachableOnlyFrom?: Readonly<Record<string, readonly string[]>>;
};

/** One direction of a link, as faults and the shim name it: `ia1>ia2`. */
export type Direction = `${string}>${string}`;
