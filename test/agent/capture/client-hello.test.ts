import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nameInClientHello } from '#agent/capture/client-hello.ts';
import { nameInFirstBytes, readFirstBytes } from '#agent/capture/first-bytes.ts';

/** What Node's own TLS client says first. */
const helloFrom = async (servername: string | undefined): Promise<Buffer> => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = connectTls({
    ...{ host: '127.0.0.1', port, rejectUnauthorized: false },
    ...(servername === undefined ? {} : { servername }),
  });
  client.on('error', () => {});
  const [socket] = await once(server, 'connection');
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return bytes;
};

/** The same handshake message in records of so many bytes (RFC 8446 section 5.1 allows it). */
const inRecordsOf = (size: number, hello: Buffer): Buffer => {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part);
  }
  return Buffer.concat(records);
};

/** A hello with these extensions, and nothing in it but what is needed. */
const helloWith = (...extensions: { type: number; body: Buffer }[]): Buffer => {
  const number = (value: number, bytes: number) => {
    const buffer = Buffer.alloc(bytes);
    buffer.writeUIntBE(value, 0, bytes);
    return buffer;
  };
  const list = Buffer.concat(
    extensions.flatMap(({ type, body }) => [number(type, 2), number(body.length, 2), body]),
  );
  const body = Buffer.concat([
    ...[Buffer.of(3, 3), Buffer.alloc(32), Buffer.of(0), Buffer.of(0, 2, 0x13, 1), Buffer.of(1, 0)],
    ...[number(list.length, 2), list],
  ]);
  const message = Buffer.concat([Buffer.of(1), number(body.length, 3), body]);
  return inRecordsOf(16_384, Buffer.concat([Buffer.alloc(5), message]));
};
const serverName = (name: string) => ({
  type: 0,
  body: Buffer.concat([
    Buffer.of((name.length + 3) >> 8, (name.length + 3) & 255, 0, name.length >> 8, name.length),
    Buffer.from(name, 'latin1'),
  ]),
});
const named = (name: string) => ({ found: 'name', name });

describe('the name in a ClientHello', () => {
  let hello: Buffer;
  beforeAll(async () => {
    hello = await helloFrom('app.example.com');
  });

  it('is found in what a real client sends', () => {
    expect(nameInClientHello(hello)).toEqual(named('app.example.com'));
  });

  it.each([1, 3, 7, 100])('is found in records of %i bytes', (size) => {
    expect(nameInClientHello(inRecordsOf(size, hello))).toEqual(named('app.example.com'));
  });

  it('is waited for until the whole message is there, byte by byte', () => {
    for (let end = 0; end < hello.length; end++) {
      expect(nameInClientHello(hello.subarray(0, end))).toEqual({ found: 'more' });
    }
  });

  it('is found behind 40 KB of other extensions, over several records', () => {
    const large = { type: 51, body: Buffer.alloc(40_000, 7) };
    const bytes = helloWith(large, serverName('far.example.com'));
    expect(bytes.length).toBeGreaterThan(40_000);
    expect(nameInClientHello(bytes)).toEqual(named('far.example.com'));
    expect(nameInClientHello(bytes.subarray(0, 30_000))).toEqual({ found: 'more' });
  });

  it('is the outer one where the inner one is encrypted', () => {
    const inner = { type: 0xfe0d, body: Buffer.alloc(200, 1) };
    expect(nameInClientHello(helloWith(inner, serverName('public.example.net')))).toEqual(
      named('public.example.net'),
    );
  });

  it('is absent where there is none', async () => {
    expect(nameInClientHello(await helloFrom(undefined))).toEqual({ found: 'none' });
    expect(nameInClientHello(helloWith())).toEqual({ found: 'none' });
  });

  it.each([
    ['a name longer than the extension', { type: 0, body: Buffer.of(0, 200, 0, 0, 199, 97) }],
    ['an empty list', { type: 0, body: Buffer.of(0, 0) }],
    ['an empty name', { type: 0, body: Buffer.of(0, 3, 0, 0, 0) }],
    ['an empty extension', { type: 0, body: Buffer.alloc(0) }],
    ['another kind of name', { type: 0, body: Buffer.of(0, 4, 9, 0, 1, 97) }],
  ])('is absent in a hello with %s', (_, extension) => {
    expect(nameInClientHello(helloWith(extension))).toEqual({ found: 'none' });
  });

  it('is not looked for where a length says more than 64 KB, or a record is empty or too long', () => {
    const none = { found: 'none' };
    expect(nameInClientHello(Buffer.of(22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff))).toEqual(none);
    expect(nameInClientHello(Buffer.of(22, 3, 1, 0, 0))).toEqual(none);
    expect(nameInClientHello(Buffer.of(22, 3, 1, 0xff, 0xff))).toEqual(none);
    expect(nameInClientHello(Buffer.of(22, 3, 1, 0, 4, 2, 0, 0, 1))).toEqual(none);
    expect(nameInClientHello(Buffer.of(23, 3, 3))).toEqual(none);
  });

  it('is never read beyond the end, whichever byte is wrong', () => {
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed % below;
    };
    for (let round = 0; round < 5_000; round++) {
      const broken = Buffer.from(hello);
      for (let each = 0; each <= random(4); each++) broken[random(broken.length)] = random(256);
      expect(['more', 'none', 'name']).toContain(nameInClientHello(broken).found);
    }
  });
});

describe('the name in a request', () => {
  it.each([
    ['GET / HTTP/1.1\r\nHost: app.example.com\r\n\r\n', 'app.example.com'],
    [
      'POST /x HTTP/1.1\r\naccept: */*\r\nhost:app.example.com:8080\r\n\r\nhost: b',
      'app.example.com',
    ],
    ['GET / HTTP/1.0\nHost: [2001:db8::1]:80\n\n', '2001:db8::1'],
    ['GET / HTTP/1.1\r\nHost: 192.0.2.7\r\n\r\n', '192.0.2.7'],
  ])('%j is for %s', (text, name) => {
    expect(nameInFirstBytes(Buffer.from(text))).toEqual(named(name));
  });

  it.each([
    'GET / HTTP/1.1\r\n\r\nhost: body.example.com\r\n',
    'GET / HTTP/1.1\r\nHost: a b\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'EHLO mail.example.com\r\n',
    'SSH-2.0-OpenSSH_9.2\r\n',
    '\u0000\u0001binary',
  ])('%j has none', (text) => {
    expect(nameInFirstBytes(Buffer.from(text))).toEqual({ found: 'none' });
  });

  it.each(['', 'G', 'GET /a', 'GET / HTTP/1.1\r\nAccept: x\r\nHost: ap'])(
    '%j may go on',
    (text) => {
      expect(nameInFirstBytes(Buffer.from(text))).toEqual({ found: 'more' });
    },
  );

  it('is not looked for without end', () => {
    const endless = Buffer.from(`GET / HTTP/1.1\r\nHost:${' '.repeat(60_000)}`);
    expect(nameInFirstBytes(endless)).toEqual({ found: 'none' });
  });
});

describe('the first bytes of a connection', () => {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  beforeAll(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterAll(() => server.close());
  const connectBoth = async () => {
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    client.on('error', () => {});
    const [accepted] = await once(server, 'connection');
    return { client, accepted };
  };

  it('are kept for the flow, with the name in them', async () => {
    const { client, accepted } = await connectBoth();
    client.write('GET / HTTP/1.1\r\nHo');
    setTimeout(() => client.write('st: app.example.com\r\n\r\nrest'), 20);
    const first = await readFirstBytes(accepted);
    expect(first.name).toBe('app.example.com');
    expect(first.head.toString()).toMatch(/^GET \/ HTTP.*rest$/s);
    client.destroy();
  });

  it('are waited for only shortly where the server speaks first, or the client is gone', async () => {
    const { client, accepted } = await connectBoth();
    expect(await readFirstBytes(accepted)).toEqual({ head: Buffer.alloc(0), name: undefined });
    client.end();
    expect(await readFirstBytes(accepted)).toEqual({ head: Buffer.alloc(0), name: undefined });
    client.destroy();
  });
});
