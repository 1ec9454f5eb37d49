import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { formatEdgeTiming } from '#contract/server-timing.ts';
import type { OpenedFlow } from './flow.ts';
import type { Meter } from './meter.ts';

export type PlainRequest = {
  method: string;
  host: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: Readable;
};

/**
 * Sends a plain http:// request on an opened connection and gives the origin's answer. Browsers
 * that use an HTTP/2 proxy ask for http:// pages this way instead of by CONNECT.
 */
export const forwardHttp = (options: {
  request: PlainRequest;
  flow: OpenedFlow;
  meter: Meter;
  signal: AbortSignal;
}): Promise<{
  status: number;
  headers: Record<string, string | string[]>;
  body: IncomingMessage;
}> =>
  new Promise((resolve, reject) => {
    const { request, flow, meter } = options;
    const outgoing = httpRequest({
      method: request.method,
      path: request.path,
      headers: { ...endToEnd(request.headers), host: request.host, connection: 'close' },
      createConnection: () => flow.socket,
      signal: options.signal,
    });
    const moved = { upBytes: 0, downBytes: 0 };
    flow.socket.once('close', () => flow.done(moved));
    outgoing.on('error', reject);
    outgoing.on('response', (answer) => {
      answer.on('data', (chunk: Buffer) => {
        moved.downBytes += chunk.length;
        meter.down(chunk.length);
      });
      answer.pause();
      resolve({
        status: answer.statusCode ?? 502,
        headers: {
          ...endToEnd(answer.headers),
          'server-timing': [answer.headers['server-timing'], formatEdgeTiming(flow.timing)]
            .flat()
            .filter((value) => value !== undefined)
            .join(', '),
        },
        body: answer,
      });
    });
    request.body.on('data', (chunk: Buffer) => {
      moved.upBytes += chunk.length;
      meter.up(chunk.length);
    });
    request.body.pipe(outgoing);
  });

/** RFC 9110 section 7.6.1: what is meant for one connection only is not passed on. */
const endToEnd = (headers: IncomingHttpHeaders): Record<string, string | string[]> => {
  const listed = String(headers.connection ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase());
  const entries = Object.entries(headers).filter(
    ([name, value]) =>
      value !== undefined && !name.startsWith(':') && !hopByHop.has(name) && !listed.includes(name),
  );
  return Object.fromEntries(entries) as Record<string, string | string[]>;
};

const hopByHop = new Set([
  'connection',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
