import { connect, type TLSSocket } from 'node:tls';
import { collectorServerName } from '#contract/enrollment.ts';

export type Credentials = {
  caCertificatePem: string;
  certificatePem: string;
  privateKeyPem: string;
};

export type Answer = {
  status: number;
  etag: string | undefined;
  retryAfterMs: number;
  text: string;
};

const answerWithinMs = 60_000;

/**
 * One device's connection to the collector: TLS 1.3 with its own certificate, HTTP/1.1, one request at
 * a time, kept open between them. Written by hand because node:https costs a client several times what
 * the request itself does.
 */
export const createConnection = (to: { url: URL; credentials: () => Credentials }) => {
  let socket: TLSSocket | undefined;
  let handshakes = 0;

  const open = (): Promise<TLSSocket> =>
    new Promise((resolve, reject) => {
      const { caCertificatePem, certificatePem, privateKeyPem } = to.credentials();
      handshakes += 1;
      const made = connect({
        host: to.url.hostname.replace(/^\[|\]$/g, ''),
        port: Number(to.url.port || 443),
        servername: collectorServerName,
        minVersion: 'TLSv1.3',
        ca: caCertificatePem,
        cert: certificatePem,
        key: privateKeyPem,
      });
      made.setNoDelay(true);
      made.once('secureConnect', () => resolve(made));
      made.once('error', reject);
      made.once('close', () => {
        if (socket === made) socket = undefined;
        reject(new Error('closed'));
      });
    });

  return {
    get handshakes() {
      return handshakes;
    },
    async ask(head: string, body?: Buffer): Promise<Answer> {
      socket ??= await open();
      const on = socket;
      try {
        return await exchange(on, head, body, to.url.host);
      } catch (error) {
        on.destroy();
        socket = undefined;
        throw error;
      }
    },
    close(): void {
      socket?.destroy();
      socket = undefined;
    },
  };
};

export type Connection = ReturnType<typeof createConnection>;

const exchange = (
  socket: TLSSocket,
  head: string,
  body: Buffer | undefined,
  host: string,
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    let received = '';
    const end = (settle: () => void) => {
      clearTimeout(timer);
      socket.off('data', onData).off('close', onClose).off('error', onError);
      settle();
    };
    const onData = (chunk: Buffer) => {
      // Answers of the routes asked are ASCII but for texts nobody counts.
      received += chunk.toString('latin1');
      const answer = readAnswer(received);
      if (answer !== undefined) end(() => resolve(answer));
    };
    const onClose = () => end(() => reject(new Error('closed before the answer')));
    const onError = (error: Error) => end(() => reject(error));
    const timer = setTimeout(() => onError(new Error('no answer in time')), answerWithinMs);
    socket.on('data', onData).on('close', onClose).on('error', onError);
    const length = body === undefined ? '' : `content-length: ${body.length}\r\n`;
    socket.cork();
    socket.write(`${head}host: ${host}\r\n${length}\r\n`);
    if (body !== undefined) socket.write(body);
    socket.uncork();
  });

const readAnswer = (text: string): Answer | undefined => {
  const headEnd = text.indexOf('\r\n\r\n');
  if (headEnd < 0) return undefined;
  const head = text.slice(0, headEnd);
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
  const body = text.slice(headEnd + 4);
  if (body.length < length) return undefined;
  return {
    status: Number(head.slice(9, 12)),
    etag: /\r\netag: *(\S+)/i.exec(head)?.[1],
    retryAfterMs: 1_000 * Number(/\r\nretry-after: *(\d+)/i.exec(head)?.[1] ?? 1),
    text: body,
  };
};
