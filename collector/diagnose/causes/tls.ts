import { sayMs } from '../wording.ts';
import type { Cause } from './cause.ts';

/** The server's part of the handshake: round trips are already taken off. */
export const tlsHandshake: Cause = {
  group: 'TLS',
  noun: 'the TLS handshake',
  says: (ms) => `the TLS handshake takes ${sayMs(ms)} beyond its round trip`,
  action: () =>
    'Ask the application owner about the load of the server or load balancer that ends TLS, and about its session resumption.',
  fails: 'the TLS handshake fails',
  looks: () => [],
};
