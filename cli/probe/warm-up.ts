import { createServer } from 'node:net';
import type { ProbeDefinition } from '#contract/plan.ts';
import type { ProbeContext } from '#probes/probe.ts';
import type { Probers } from '#probes/registry.ts';

/**
 * The first run of a program is slow by what the program loads and compiles for it, some
 * milliseconds a phase: it is made against a listener of our own on loopback, and thrown away.
 */
export const warmUp = async (
  probers: Probers,
  probe: ProbeDefinition,
  context: ProbeContext,
): Promise<void> => {
  if (probe.type !== 'http' && probe.type !== 'tcp' && probe.type !== 'tls') return;
  const listener = await listen();
  if (listener === undefined) return;
  const { port } = listener;
  const alone = { ...context, proxy: undefined };
  const here = { timeoutMs: longestMs, family: 'ipv4', host, port } as const;
  try {
    if (probe.type === 'tcp') await probers.tcp.run({ ...probe, ...here }, alone);
    if (probe.type === 'tls') await probers.tls.run({ ...probe, ...here }, alone);
    if (probe.type === 'http') {
      const run = (scheme: string, httpVersion: 'auto' | '1.1') =>
        probers.http.run(
          {
            ...probe,
            timeoutMs: longestMs,
            family: 'ipv4',
            httpVersion,
            url: `${scheme}://${host}:${port}/`,
          },
          alone,
        );
      await run('http', '1.1');
      if (new URL(probe.url).protocol === 'https:') await run('https', 'auto');
    }
  } finally {
    listener.close();
  }
};

const host = '127.0.0.1';
const longestMs = 1_000;
const answer = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n';

/** To a request in clear an answer, to a handshake nonsense: as far as it gets it is warm. */
const listen = async (): Promise<{ port: number; close(): void } | undefined> => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(answer));
  });
  const isListening = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(0, host, () => resolve(true));
  });
  const address = server.address();
  if (!isListening || address === null || typeof address === 'string') return undefined;
  return { port: address.port, close: () => void server.close() };
};
