import type { Segment } from '#contract/verdict.ts';
import type { Cause } from './cause.ts';
import { device } from './device.ts';
import { inEdge } from './edge.ts';
import { localNetwork } from './local-network.ts';
import { nameResolution } from './name-resolution.ts';
import { clientToEdge, edgeToOrigin } from './network-path.ts';
import { page } from './page.ts';
import { server } from './server.ts';
import { tlsHandshake } from './tls.ts';
import { transfer } from './transfer.ts';
import { tunnelQueue } from './tunnel.ts';

/** Every cause that can be named, from the user outwards. */
export const causes = {
  device,
  gateway: localNetwork,
  'client-edge': clientToEdge,
  'tunnel-queue': tunnelQueue,
  'in-edge': inEdge,
  'edge-origin': edgeToOrigin,
  dns: nameResolution,
  tls: tlsHandshake,
  server,
  transfer,
  page,
} as const satisfies Record<Segment, Cause>;
