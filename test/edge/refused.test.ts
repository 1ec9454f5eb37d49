import { once } from 'node:events';
import http2, { type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { edgeServerName } from '#contract/enrollment.ts';
import type { LogIn } from '#edge/clientless/log-in.ts';
import { refuse } from '#edge/refusal.ts';
import { maxRefusedOpen } from '#edge/refuse-stream.ts';
import { maxClientlessStreams } from '#edge/session.ts';
import { createEdgeLab, type EdgeLab, readAll } from '#test/support/edge-lab.ts';
import { startSessions } from '#test/support/session-listener.ts';
import { waitUntil } from '#test/support/wait-until.ts';

/** What a client without a certificate can leave behind on an edge that does not know it. */
let lab: EdgeLab;
beforeAll(async () => {
  lab = await createEdgeLab();
});
afterAll(() => lab.stop());

const nobody: LogIn = async () => ({ ...refuse('http_request_denied', 'log in'), status: 407 });
const broken: LogIn = () => Promise.reject(new Error('the users file is gone'));

const startClientless = async (logIn: LogIn, refusedLingerMs: number) => {
  const noted: string[] = [];
  const { port, server } = await startSessions(lab, {
    openFlow: () => new Promise(() => {}),
    limits: { note: (client, kind) => noted.push(`${kind} of ${client}`) },
    logIn,
    refusedLingerMs,
  });
  return {
    port,
    /** What was held against whom. */
    noted,
    sessionCount: () => server.counts().sessionCount,
  };
};

const tlsTo = (port: number) => ({
  host: '127.0.0.1',
  port,
  servername: edgeServerName('e1'),
  ca: lab.authority.certificatePem,
});

const openH2 = (port: number, settings: http2.Settings = {}): ClientHttp2Session => {
  const session = http2.connect('https://e1', { ...tlsTo(port), settings });
  session.on('error', () => {});
  lab.onStop(() => session.destroy());
  return session;
};

/** A CONNECT whose sender never ends it. */
const ask = (
  session: ClientHttp2Session,
): { stream: ClientHttp2Stream; status: Promise<number> } => {
  const stream = session.request({ ':method': 'CONNECT', ':authority': 'app.test:443' });
  stream.on('error', () => {});
  stream.resume();
  const status = once(stream, 'response').then(([headers]) => Number(headers[':status']));
  return { stream, status };
};

const openH1 = async (port: number): Promise<TLSSocket> => {
  // The client's side stays open when the edge ends its own.
  const socket = connectTls({ ...tlsTo(port), ALPNProtocols: ['http/1.1'] });
  socket.allowHalfOpen = true;
  socket.on('error', () => {});
  lab.onStop(() => socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
};
const connectRequest = 'CONNECT app.test:443 HTTP/1.1\r\nHost: app.test\r\n\r\n';

describe('a request that is refused and that its client leaves open', () => {
  it('is ended by the edge in HTTP/2, without an error', async () => {
    const session = openH2((await startClientless(nobody, 200)).port);
    const { stream, status } = ask(session);
    expect(await status).toBe(407);
    await waitUntil(() => stream.closed);
    expect(stream.rstCode).toBe(http2.constants.NGHTTP2_NO_ERROR);
    expect(session.closed).toBe(false);
  });

  it('is ended also when the client does not take the answer', async () => {
    const session = openH2((await startClientless(nobody, 200)).port, { initialWindowSize: 0 });
    const { stream, status } = ask(session);
    expect(await status).toBe(407);
    await waitUntil(() => stream.closed);
  });

  it(`is ended at once beyond ${maxRefusedOpen} on a session, which goes on`, async () => {
    const session = openH2((await startClientless(nobody, 600_000)).port);
    const asked = Array.from({ length: maxRefusedOpen + 40 }, () => ask(session));
    expect(new Set(await Promise.all(asked.map(({ status }) => status)))).toEqual(new Set([407]));
    const openCount = () => asked.filter(({ stream }) => !stream.closed).length;
    await waitUntil(() => openCount() <= maxRefusedOpen);
    expect(openCount()).toBe(maxRefusedOpen);
    expect(await ask(session).status).toBe(407);
    expect(session.closed).toBe(false);
  });

  it('is ended by the edge in HTTP/1.1', async () => {
    const { port, sessionCount } = await startClientless(nobody, 200);
    const socket = await openH1(port);
    socket.write(connectRequest);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString('latin1')).toContain('407');
    await waitUntil(() => sessionCount() === 0);
    expect(socket.writable).toBe(true);
  });
});

it('a client without a certificate may have fewer streams at once than a device', async () => {
  const session = openH2((await startClientless(nobody, 200)).port);
  const [settings] = (await once(session, 'remoteSettings')) as [http2.Settings];
  expect(settings.maxConcurrentStreams).toBe(maxClientlessStreams);
});

it('a log-in that fails inside the edge ends that request and not the edge', async () => {
  const { port } = await startClientless(broken, 200);
  for (const text of [connectRequest, 'GET http://app.test/ HTTP/1.1\r\nHost: app.test\r\n\r\n']) {
    const socket = await openH1(port);
    socket.write(text);
    await readAll(socket).catch(() => {});
    await waitUntil(() => socket.destroyed || socket.readableEnded);
  }
  const { stream, status } = ask(openH2(port));
  status.catch(() => {});
  await waitUntil(() => stream.closed);
  expect(stream.rstCode).toBe(http2.constants.NGHTTP2_INTERNAL_ERROR);
});

it('what is broken off is held against the user, by whom flows are counted, and nobody unknown', async () => {
  const { port, noted } = await startClientless(async (authorization) => {
    return authorization ? { client: 'user:ana' } : nobody(undefined, '');
  }, 60_000);
  const session = openH2(port);
  const unknown = ask(session);
  expect(await unknown.status).toBe(407);
  unknown.stream.close(http2.constants.NGHTTP2_CANCEL);
  const known = session.request({
    ...{ ':method': 'CONNECT', ':authority': 'app.test:443' },
    'proxy-authorization': 'Basic YTpi',
  });
  known.on('error', () => {});
  // Answered after what was sent before it.
  await new Promise((resolve) => session.ping(resolve));
  known.close(http2.constants.NGHTTP2_CANCEL);
  await waitUntil(() => noted.length > 0);
  expect(noted).toEqual(['reset of user:ana']);
});
