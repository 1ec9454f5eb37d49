import type { X509Certificate } from 'node:crypto';
import { isIP, type Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import type { ServerCertificate } from '#contract/body/connection.ts';
import type { Failure } from '#contract/failure.ts';
import { describeCertificate, isFor } from './certificate.ts';
import { classifyError } from './classify.ts';
import type { Deadline } from './deadline.ts';
import { sinceMs } from './duration.ts';
import type { TrustContext } from './trust.ts';

type Certificate = ServerCertificate | null;

export type Secured =
  | { ok: true; socket: TLSSocket; tlsMs: number; certificate: Certificate }
  | { ok: false; failure: Failure; certificate: Certificate };

export type HandshakeOptions = {
  context: TrustContext;
  deadline: Deadline;
  /** Offered by ALPN (RFC 7301), the preferred first; HTTP/1.1 alone when left out. */
  alpn?: readonly string[];
};

/**
 * The TLS handshake over a connected socket. Verification is Node's own, but its verdict is read
 * after the handshake instead of ending it, so that a refused certificate can still be shown.
 */
export const handshake = (
  socket: Socket,
  host: string,
  options: HandshakeOptions,
): Promise<Secured> =>
  new Promise((resolve) => {
    const { deadline } = options;
    const { secure, leaf, checkedMs } = open(socket, host, options);
    // The ClientHello is out: making it is this program's time, and no part of the phase.
    const startedMs = performance.now();
    const finish = (secured: Secured) => {
      deadline.stopSignal.removeEventListener('abort', giveUp);
      secure.off('close', closed);
      // After a failure the listener stays: a destroyed socket may still report.
      if (secured.ok) secure.off('error', fail);
      else secure.destroy();
      resolve(secured);
    };
    const fail = (error: unknown, certificate: Certificate = null) => {
      const failure = classifyError('tls', error, deadline.cutShort());
      finish({ ok: false, failure, certificate });
    };
    const giveUp = () => fail(undefined);
    const closed = () => fail(closedEarly);

    secure.once('secureConnect', () => {
      const tlsMs = sinceMs(startedMs, checkedMs());
      const certificate = describeCertificate(secure, leaf(), host, options.context);
      if (!secure.authorized) return fail(refusalOf(secure), certificate);
      finish({ ok: true, socket: secure, tlsMs, certificate });
    });
    secure.on('error', fail);
    secure.once('close', closed);
    deadline.stopSignal.addEventListener('abort', giveUp);
    if (deadline.stopSignal.aborted) giveUp();
  });

type Opening = {
  secure: TLSSocket;
  leaf: () => X509Certificate | undefined;
  /** When OpenSSL was through with the handshake; undefined where it refused the chain. */
  checkedMs: () => number | undefined;
};

const open = (socket: Socket, host: string, options: HandshakeOptions): Opening => {
  let shown: X509Certificate | undefined;
  let checkedMs: number | undefined;
  // Asked once: Node takes the leaf out of the connection's own list as it gives it.
  const leaf = () => {
    shown ??= secure.getPeerX509Certificate();
    return shown;
  };
  const secure: TLSSocket = connect({
    socket,
    host,
    // RFC 6066 §3: no literal addresses in SNI.
    ...(isIP(host) === 0 ? { servername: host } : {}),
    secureContext: options.context.secureContext,
    ALPNProtocols: [...(options.alpn ?? ['http/1.1'])],
    rejectUnauthorized: false,
    checkServerIdentity: () => {
      checkedMs = performance.now();
      const certificate = leaf();
      return certificate && isFor(certificate, host) ? undefined : wrongName;
    },
  });
  // Node takes the whole chain apart for its own check of the name, a fifth of a handshake's CPU
  // time; ours above asks OpenSSL instead and needs nothing of it.
  secure.getPeerCertificate = noParts;
  return { secure, leaf, checkedMs: () => checkedMs };
};

const noParts = (() => ({})) as TLSSocket['getPeerCertificate'];

const wrongName = Object.assign(new Error('the certificate is for another name'), {
  code: 'ERR_TLS_CERT_ALTNAME_INVALID',
});

const closedEarly = Object.assign(new Error('closed during the TLS handshake'), {
  code: 'ECONNRESET',
});

/** Node keeps the code of the verification result, as text, where its types say Error. */
const refusalOf = (socket: TLSSocket): Error =>
  Object.assign(new Error('the certificate was not accepted'), {
    code: String(socket.authorizationError),
  });
