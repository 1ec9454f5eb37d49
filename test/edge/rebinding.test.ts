import { once } from 'node:events';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { edgeServerName } from '#contract/enrollment.ts';
import type { Identity } from '#runtime/identity.ts';
import { startDnsServer } from '#test/support/dns-server.ts';
import { createEdgeLab, type EdgeLab } from '#test/support/edge-lab.ts';

/** Names whose owner answers otherwise each time he is asked. */
let lab: EdgeLab;
let identity: Identity;
let port: number;
let originPort: number;
let reachedCount = 0;
let names: Awaited<ReturnType<typeof startDnsServer>>;
const asked = new Map<string, number>();

beforeAll(async () => {
  lab = await createEdgeLab();
  identity = await lab.device();
  originPort = (
    await lab.origin((socket) => {
      reachedCount += 1;
      socket.end();
    })
  ).port;
  // A documentation range first: not dialled either, but another answer than loopback.
  const turns: Record<string, string[][]> = {
    'first-public.test': [['192.0.2.1'], ['127.0.0.1']],
    'first-inside.test': [['127.0.0.1'], ['192.0.2.1']],
    'both.test': [['192.0.2.1', '127.0.0.1']],
    'metadata.test': [['169.254.169.254']],
    'app.test': [['127.0.0.1'], ['192.0.2.1']],
  };
  names = await startDnsServer(({ name, type }) => {
    if (type !== 'A') return {};
    const count = asked.get(name) ?? 0;
    asked.set(name, count + 1);
    const all = turns[name] ?? [];
    const answers = (all[count % Math.max(1, all.length)] ?? []).map((data) => ({
      ...{ type: 'A' as const, name, ttl: 0, data },
    }));
    return answers.length > 0 ? { answers } : { rcode: 3 };
  });
  lab.onStop(() => names.stop());
  const app = { appId: 'app', hosts: ['app.test'], ports: [], addresses: {} };
  const edge = await lab.edge('e1', { privateApplications: [app] }, [names.address]);
  port = edge.server.address.port;
});
afterAll(() => lab.stop());

const statusOf = async (authority: string): Promise<string> => {
  const socket = connect({
    ...{ host: '127.0.0.1', port, servername: edgeServerName('e1') },
    ...{
      ca: identity.caCertificatePem,
      cert: identity.certificatePem,
      key: identity.privateKeyPem,
    },
  });
  await once(socket, 'secureConnect');
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.on('error', () => {}).destroy();
  const text = answer.toString('latin1');
  const why = /error=([a-z_]+)/.exec(text)?.[1] ?? '';
  return `${text.slice(9, 12)} ${why}`.trim();
};

it.each(['first-public.test', 'first-inside.test', 'both.test', 'metadata.test'])(
  'a name that leads inside is refused whatever it answers at other times: %s',
  async (name) => {
    for (let turn = 1; turn <= 4; turn++) {
      expect(await statusOf(`${name}:${originPort}`)).toBe('403 destination_ip_prohibited');
      // Once for each flow: what was checked is what would be dialled.
      expect(asked.get(name)).toBe(turn);
    }
    expect(reachedCount).toBe(0);
  },
);

it('what is dialled is the address that was checked, not the name again', async () => {
  expect(await statusOf(`app.test:${originPort}`)).toBe('200');
  expect(asked.get('app.test')).toBe(1);
});

it.each([
  ['[::ffff:127.0.0.1]', '403 destination_ip_prohibited'],
  ['[::127.0.0.1]', '403 destination_ip_prohibited'],
  ['[64:ff9b::7f00:1]', '403 destination_ip_prohibited'],
  ['[2002:7f00:1::1]', '403 destination_ip_prohibited'],
  ['[::ffff:0:7f00:1]', '403 destination_ip_prohibited'],
  // Other ways to write 127.0.0.1 are names to an edge, and nobody's.
  ['2130706433', '502 dns_error'],
  ['0x7f.1', '502 dns_error'],
  ['0177.0.0.1', '502 dns_error'],
])('no way to write an inside address gets inside: %s', async (host, answer) => {
  expect(await statusOf(`${host}:${originPort}`)).toBe(answer);
});

it.each([
  ['both.test:0', '400 http_request_error'],
  ['both.test:65536', '400 http_request_error'],
  ['both.test:25', '403 http_request_denied'],
])('nor any port: %s', async (authority, answer) => {
  expect(await statusOf(authority)).toBe(answer);
});
