import type { Enforcement } from '../enforcement/decide.ts';
import type { Destination, FlowFacts, RouteDecision } from './route.ts';

/** What enforcement leaves of the ways past the tunnel. */
export type Around = Pick<Enforcement, 'text' | 'whenTunnelDown' | 'direct' | 'isPortalOpen'> & {
  /** Where the user logs in to the network. */
  isPortal: (destination: Destination) => boolean;
  /** An address that the kernel's fence lets out to, for one of the exceptions by name. */
  isExcepted: (destination: Destination) => boolean;
};

/**
 * What becomes of a route decision while the device is shut: direct is for the exceptions only, and for
 * the captive portal as long as there is time to log in. Everything that opens a flow asks here, so
 * that proxies and capture agree with the kernel's fence.
 */
export const enforceRoute = (
  route: RouteDecision,
  flow: FlowFacts,
  around: Around,
): RouteDecision => {
  if (route.action === 'block') return route;
  if (around.isPortalOpen && isToPortal(flow, around)) {
    return { action: 'direct', rule: 'captive-portal' };
  }
  if (around.direct === 'exceptions' && isToException(flow, around)) {
    return { action: 'direct', rule: `excepted ${flow.address}` };
  }
  if (around.direct === 'exceptions' && route.action === 'direct' && !isException(route.rule)) {
    return { action: 'block', rule: around.text };
  }
  return route;
};

/** Of a captured flow the address counts: its name is only what its program says. */
const isToPortal = ({ host, address, port }: FlowFacts, { isPortal }: Around): boolean =>
  isPortal({ host: address ?? host, port });

/** Whose name nobody vouches for (it was resolved before this agent lived), but whose address is known. */
const isToException = ({ address, port }: FlowFacts, { isExcepted }: Around): boolean =>
  address !== undefined && isExcepted({ host: address, port });

/** Rules of `decideRoute` that hold while everything else is shut. */
const isException = (rule: string): boolean =>
  rule === 'own-service' || /^(identity-provider|allowed) /.test(rule);
