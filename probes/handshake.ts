import { isIP, type Socket } from 'node:net';
import { connect, type SecureContext, type TLSSocket } from 'node:tls';
import type { Failure } from '#contract/failure.ts';
import type { HttpBody } from '#contract/result.ts';
import { classifyError } from './classify.ts';
import type { Deadline } from './deadline.ts';
import { sinceMs } from './duration.ts';

type Certificate = HttpBody['certificate'];

export type Secured =
  | { ok: true; socket: TLSSocket; tlsMs: number; certificate: Certificate }
  | { ok: false; failure: Failure; certificate: Certificate };

/**
 * The TLS handshake over a connected socket. Verification is Node's own, but its verdict is read
 * after the handshake instead of ending it, so that a refused certificate can still be shown.
 */
export const handshake = (
  socket: Socket,
  host: string,
  options: { context: SecureContext; deadline: Deadline; alpn?: readonly string[] },
): Promise<Secured> =>
  new Promise((resolve) => {
    const startedMs = performance.now();
    const secure = connect({
      socket,
      host,
      // RFC 6066 §3: no literal addresses in SNI.
      ...(isIP(host) === 0 ? { servername: host } : {}),
      secureContext: options.context,
      ALPNProtocols: [...(options.alpn ?? ['http/1.1'])],
      rejectUnauthorized: false,
    });
    const finish = (secured: Secured) => {
      options.deadline.signal.removeEventListener('abort', giveUp);
      secure.off('close', closed);
      // After a failure the listener stays: a destroyed socket may still report.
      if (secured.ok) secure.off('error', fail);
      else secure.destroy();
      resolve(secured);
    };
    const fail = (error: unknown, certificate: Certificate = null) => {
      const failure = classifyError('tls', error, options.deadline.cutShort());
      finish({ ok: false, failure, certificate });
    };
    const giveUp = () => fail(undefined);
    const closed = () => fail(closedEarly);

    secure.once('secureConnect', () => {
      const tlsMs = sinceMs(startedMs);
      const certificate = describeCertificate(secure);
      if (!secure.authorized) return fail(refusalOf(secure), certificate);
      finish({ ok: true, socket: secure, tlsMs, certificate });
    });
    secure.on('error', fail);
    secure.once('close', closed);
    options.deadline.signal.addEventListener('abort', giveUp, { once: true });
    if (options.deadline.signal.aborted) giveUp();
  });

const closedEarly = Object.assign(new Error('closed during the TLS handshake'), {
  code: 'ECONNRESET',
});

/** Node keeps the code of the verification result, as text, where its types say Error. */
const refusalOf = (socket: TLSSocket): Error =>
  Object.assign(new Error('the certificate was not accepted'), {
    code: String(socket.authorizationError),
  });

const describeCertificate = (socket: TLSSocket): Certificate => {
  const { subject, issuer, valid_to: validTo } = socket.getPeerCertificate();
  const notAfter = Date.parse(validTo ?? '');
  if (Number.isNaN(notAfter)) return null;
  return {
    subject: nameOf(subject),
    issuer: nameOf(issuer),
    notAfter: Math.min(Math.max(notAfter, epochMsLowest), epochMsHighest),
    protocol: (socket.getProtocol() ?? '').slice(0, 16),
  };
};

/** What contract/scalar.ts takes for a time of day; certificates expired long ago lie below. */
const epochMsLowest = 1_577_836_800_000;
const epochMsHighest = 4_102_444_800_000;

type Name = { CN?: string | string[]; O?: string | string[] } | undefined;

const nameOf = (name: Name): string =>
  [name?.CN, name?.O].flat().filter(Boolean).join(', ').slice(0, 256);
