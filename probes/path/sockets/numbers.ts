/** Numbers of Linux's socket interface, the same on every 64-bit machine it runs on. */
export const family = { 4: 2, 6: 10 } as const;
export const type = { stream: 1, datagram: 2, raw: 3 } as const;
export const protocol = { icmp: 1, tcp: 6, udp: 17, icmp6: 58 } as const;

export const level = { socket: 1, ip: 0, ipv6: 41, icmp6: 58, raw: 255 } as const;
export const option = {
  reuseAddress: 2,
  error: 4,
  sendBufferForce: 32,
  receiveBuffer: 8,
  receiveBufferForce: 33,
  linger: 13,
  attachFilter: 26,
  /** SO_TIMESTAMPNS: when the kernel took the packet in, whenever this process gets to read it. */
  timestamp: 35,
  /** ICMP_FILTER and ICMP6_FILTER. */
  icmpFilter: 1,
} as const;

/** By family: the same thing has another level and number. */
export const ipOption = {
  4: { level: level.ip, hopLimit: 2, mtuDiscover: 10, receiveErrors: 11, mtu: 14 },
  6: { level: level.ipv6, hopLimit: 16, mtuDiscover: 23, receiveErrors: 25, mtu: 24 },
} as const;

/** IP_PMTUDISC_PROBE: don't fragment, and don't go by what was learned of the path before. */
export const mtuDiscoverProbe = 3;

/** MSG_DONTWAIT; MSG_ERRQUEUE: what routers said about packets that were sent. */
export const readFlags = { data: 0x40, errors: 0x40 | 0x2000 } as const;

export const errno = {
  permission: 1,
  again: 11,
  addressInUse: 98,
  connectionReset: 104,
  connectionRefused: 111,
  hostUnreachable: 113,
  inProgress: 115,
  messageSize: 90,
} as const;

/** Answers of ICMP that end a probe. */
export const icmpType = {
  4: { reply: 0, unreachable: 3, exceeded: 11, echo: 8 },
  6: { reply: 129, unreachable: 1, tooBig: 2, exceeded: 3, echo: 128 },
} as const;
