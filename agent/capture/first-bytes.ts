import type { Socket } from 'node:net';
import { parseAuthority } from '#contract/authority.ts';
import { maxHelloBytes, type NameInBytes, nameInClientHello } from './client-hello.ts';

export type FirstBytes = {
  /** What was read ahead; it belongs to the flow. */
  head: Buffer;
  /** Name or address, as the flow says it of itself: nothing in it is proof. */
  name: string | undefined;
};

/**
 * A client that speaks first does so within a round trip to this machine. Servers that do (SSH, SMTP,
 * MySQL) are waited with for this long, once a connection.
 */
const firstByteMs = 75;
/** For the rest of a ClientHello or a request of which the beginning has come. */
const restMs = 400;
const maxHeadBytes = maxHelloBytes + 5 * 16;

/** Reads what the client says first, as long as it may hold the name it wants. */
export const readFirstBytes = (client: Socket): Promise<FirstBytes> =>
  new Promise((resolve) => {
    let head: Buffer = Buffer.alloc(0);
    let name: string | undefined;
    const done = () => {
      clearTimeout(timer);
      client.pause();
      client.off('data', onData).off('end', done).off('close', done);
      resolve({ head, name });
    };
    const onData = (chunk: Buffer) => {
      if (head.length === 0) {
        clearTimeout(timer);
        timer = setTimeout(done, restMs);
      }
      head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
      const said = nameInFirstBytes(head);
      if (said.found === 'name') name = said.name;
      if (said.found !== 'more' || head.length >= maxHeadBytes) done();
    };
    let timer = setTimeout(done, firstByteMs);
    client.on('data', onData).once('end', done).once('close', done);
    client.resume();
  });

export const nameInFirstBytes = (bytes: Buffer): NameInBytes =>
  bytes[0] === 22 ? nameInClientHello(bytes) : nameInRequest(bytes);

/** The longest registered method is UPDATEREDIRECTREF; HTTP/2's preface looks like one. */
const requestLine = /^[A-Z]{2,20} [^\r\n]* HTTP\/1\.[01]\r?\n/;
const beginsAsRequest = /^[A-Z]{0,20}$|^[A-Z]{2,20} [\x20-\x7e\x80-\xff]*\r?$/;
const maxRequestBytes = 16_384;

/** The Host field of an HTTP/1 request (RFC 9112 section 3.2), from its first line and fields. */
const nameInRequest = (bytes: Buffer): NameInBytes => {
  const text = bytes.toString('latin1', 0, maxRequestBytes);
  const isLong = bytes.length >= maxRequestBytes;
  if (!requestLine.test(text)) {
    return { found: beginsAsRequest.test(text) && !isLong ? 'more' : 'none' };
  }
  // Only whole lines: the last may go on.
  const host = /\nhost:([^\r\n]*)\r?\n/i.exec(text)?.[1]?.trim();
  const end = text.search(/\r?\n\r?\n/);
  if (host === undefined) return { found: end === -1 && !isLong ? 'more' : 'none' };
  // A field named host in the body is none.
  if (end !== -1 && text.search(/\nhost:/i) > end + 1) return { found: 'none' };
  const name = hostOf(host);
  return name === undefined ? { found: 'none' } : { found: 'name', name };
};

const hostOf = (field: string): string | undefined =>
  parseAuthority(field)?.host ?? parseAuthority(`${field}:80`)?.host;
