import { startDeadline } from '../deadline.ts';
import { sinceMs, sumMs } from '../duration.ts';
import { openConnection } from '../open-connection.ts';
import type { Prober } from '../probe.ts';
import { createNameResolver } from '../resolve.ts';
import { userAgent } from '../user-agent.ts';

/** Connects, and closes: by dialling, or through the tunnel by CONNECT, where the edge dials. */
export const createTcpProber = (): Prober<'tcp'> => ({
  type: 'tcp',
  async run(probe, { signal, proxy }) {
    const startedMs = performance.now();
    const deadline = startDeadline(signal, probe.timeoutMs);
    const { host, port, family } = probe;
    const means = { resolver: createNameResolver(), proxy, family, userAgent, deadline };
    const opened = await openConnection({ host, port }, means);
    deadline.stop();
    if (opened.ok) opened.socket.on('error', () => {}).destroy();
    const failure = opened.ok ? null : opened.failure;
    const { dnsMs, connectMs, proxyConnectMs, dnsSource, remoteAddress, attempts, edge } = opened;
    return {
      durationMs: sinceMs(startedMs),
      availability: opened.ok ? 1 : 0,
      failure,
      body: {
        host,
        port,
        durationMs: sumMs([dnsMs, connectMs, proxyConnectMs]),
        dnsMs,
        connectMs,
        proxyConnectMs,
        dnsSource,
        remoteAddress,
        family: opened.family,
        attempts,
        edge,
      },
    };
  },
  stop: () => Promise.resolve(),
});
