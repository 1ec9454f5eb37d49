import { once } from 'node:events';
import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openIpFlow } from '#agent/tunnel/ip-flow.ts';
import type { Tunnel } from '#agent/tunnel/tunnel.ts';
import { createEdgeLab, type EdgeLab } from '#test/support/edge-lab.ts';

let lab: EdgeLab;
let tunnel: Tunnel;

beforeAll(async () => {
  lab = await createEdgeLab();
  const edge = await lab.edge('e1');
  tunnel = await lab.tunnel([edge.entry]);
});
afterAll(() => lab.stop());

const signal = AbortSignal.timeout(20_000);
const ask = (h2: ClientHttp2Session, path: string): Promise<IncomingHttpHeaders> => {
  const stream = h2.request({
    ':method': 'CONNECT',
    ':protocol': 'connect-ip',
    ':scheme': 'https',
    ':authority': 'e1',
    ':path': path,
    'capsule-protocol': '?1',
  });
  // The session ends before the edge has ended the stream.
  stream.on('error', () => {});
  return once(stream, 'response').then(([headers]) => {
    stream.resume().end();
    return headers;
  });
};

it('an edge that forwards no IP packets says so', async () => {
  const opened = tunnel.withSession(
    (session, edgeId) =>
      openIpFlow({ session, edgeId, signal, onPackets: () => {}, onClose: () => {} }),
    signal,
  );
  await expect(opened).rejects.toMatchObject({
    name: 'FlowRefused',
    status: 501,
    proxyStatus: 'e1; error=proxy_configuration_error; details="no IP forwarding here"',
  });
});

it.each(['/', '/.well-known/masque/ip/*/', '/.well-known/masque/ip/a.test/*/'])(
  'a target that is none is refused: %s',
  async (path) => {
    const headers = await tunnel.withSession((session) => ask(session.h2, path), signal);
    expect(headers).toMatchObject({ ':status': 400 });
    expect(headers['proxy-status']).toContain('error=http_request_error');
  },
);
