import http2, { type ClientHttp2Session } from 'node:http2';
import { isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { EdgeEntry } from '#contract/policy.ts';
import type { Identity } from '#runtime/identity.ts';
import type { UnsentLimit } from '#runtime/kernel/unsent-limit.ts';
import { keepReading } from './keep-reading.ts';
import { startWindowBytes } from './stream-window.ts';

export type OpenSession = {
  h2: ClientHttp2Session;
  /** TCP and TLS handshakes together, DNS not included. */
  handshakeMs: number;
  /** Bytes on the wire so far, frames and TLS records included. */
  bytes(): { up: number; down: number };
};

const settings = { initialWindowSize: startWindowBytes, enablePush: false };
/** Node leaves the connection's window at 64 KB whatever `initialWindowSize` says. */
const sessionWindowBytes = 16 * 1_048_576;
const openMs = 10_000;

/**
 * One HTTP/2 session to an edge over mutual TLS 1.3. It counts as open once the edge has sent its
 * SETTINGS: with TLS 1.3 a client learns only after its handshake that its certificate was refused.
 */
export const openSession = (
  edge: EdgeEntry,
  identity: Identity,
  /** Left out: a session that carries no bulk. */
  bulk?: { unsentLimit: UnsentLimit },
): Promise<OpenSession> =>
  new Promise((resolve, reject) => {
    let startedMs = performance.now();
    let handshakeMs = 0;
    const options = {
      host: edge.host,
      port: edge.port,
      servername: edge.serverName,
      ca: identity.caCertificatePem,
      cert: identity.certificatePem,
      key: identity.privateKeyPem,
      minVersion: 'TLSv1.3' as const,
      ciphers: 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256',
      ALPNProtocols: ['h2'],
      autoSelectFamily: isIP(edge.host) === 0,
      // Node's default of 250 ms would call an edge on a slow link unreachable.
      autoSelectFamilyAttemptTimeout: 5_000,
    };
    const socket = connectTls(options);
    socket.once('lookup', () => {
      startedMs = performance.now();
    });
    const timer = setTimeout(() => socket.destroy(new Error('no answer in 10 s')), openMs);
    const fail = (error?: Error) => {
      clearTimeout(timer);
      socket.destroy();
      reject(error ?? new Error('closed by the edge'));
    };
    const closed = () => fail();
    socket.once('error', fail).once('close', closed);
    socket.once('secureConnect', () => {
      handshakeMs = performance.now() - startedMs;
      if (socket.alpnProtocol !== 'h2') return fail(new Error('the edge does not speak HTTP/2'));
      socket.setNoDelay(true).setKeepAlive(true, 30_000);
      bulk?.unsentLimit.apply(socket);
      const h2 = http2.connect(`https://${edge.serverName}`, {
        createConnection: () => socket,
        settings,
        maxSessionMemory: 1_024,
        peerMaxConcurrentStreams: 1_024,
      });
      h2.once('error', fail).once('close', closed);
      h2.once('remoteSettings', () => {
        clearTimeout(timer);
        socket.off('error', fail).off('close', closed);
        h2.off('error', fail).off('close', closed);
        h2.setLocalWindowSize(sessionWindowBytes);
        // 'close' follows every error and is what the owner listens to.
        h2.on('error', () => {});
        if (bulk) keepReading(socket);
        const bytes = () => ({ up: socket.bytesWritten, down: socket.bytesRead });
        resolve({ h2, handshakeMs, bytes });
      });
      return undefined;
    });
  });

/**
 * Ends a session at once and its streams as cut ones: without a code Node ends them as if all of
 * their bytes had come.
 */
export const endSession = (h2: ClientHttp2Session): void => {
  if (!h2.destroyed) h2.destroy(new Error('given up'), http2.constants.NGHTTP2_CANCEL);
};

/** True while new streams may be asked for: `request()` and `ping()` throw otherwise. */
export const isUsable = (h2: ClientHttp2Session): boolean => !h2.destroyed && !h2.closed;

/** One PING at a time; resolves with the round trip, or null when the session ended first. */
export const ping = (h2: ClientHttp2Session): Promise<number | null> =>
  new Promise((resolve) => {
    if (!isUsable(h2)) return resolve(null);
    const onClose = () => resolve(null);
    try {
      const startedMs = performance.now();
      h2.once('close', onClose);
      h2.ping((error) => {
        h2.off('close', onClose);
        resolve(error ? null : performance.now() - startedMs);
      });
    } catch {
      // It was destroyed between the check and the call.
      h2.off('close', onClose);
      resolve(null);
    }
  });
