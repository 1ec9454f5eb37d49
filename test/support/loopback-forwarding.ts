import { startForwarding } from '#agent/forward.ts';
import type { Identity } from '#runtime/identity.ts';
import { silentLog } from '#runtime/log.ts';

/** An agent's forwarding with both proxies on free ports of loopback, and no collector. */
export const startLoopbackForwarding = (
  identity: Identity,
  more: Partial<Parameters<typeof startForwarding>[0]> = {},
) =>
  startForwarding({
    identity: () => identity,
    collectorUrl: 'https://127.0.0.1:1',
    listenHost: '127.0.0.1',
    proxyPort: 0,
    socksPort: 0,
    log: silentLog(),
    ...more,
  });
