import http2, {
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { createServer, type TLSSocket } from 'node:tls';
import { uriNames } from '#runtime/certificates.ts';
import { createUnsentLimit } from '#runtime/kernel/unsent-limit.ts';
import type { Log } from '#runtime/log.ts';
import type { LogIn } from './clientless/log-in.ts';
import { networkOf } from './clientless/network.ts';
import { createConduct } from './conduct.ts';
import { createH1Exchange } from './exchange-h1.ts';
import { type ServeProtocol, serveStream } from './exchange-h2.ts';
import type { OpenFlow } from './flow.ts';
import type { Limits } from './limits.ts';
import type { Meter } from './meter.ts';
import { plainAddress } from './reflector.ts';
import { endRefused, refuseStream } from './refuse-stream.ts';
import type { BurstAsked } from './suspicion/onward-bursts.ts';

export type EdgeCertificate = {
  certificatePem: string;
  privateKeyPem: string;
  caCertificatePem: string;
};

/** Who connects, on which sessions, and how they end. Connections come from a listener, or by way of it. */
export type SessionServer = {
  accept(socket: Socket): void;
  counts(): { sessionCount: number; deviceCount: number };
  /** Sessions that devices have from an address at this moment. */
  countFrom(address: string): number;
  /** Ends the sessions of devices for which `isRevoked` holds. */
  endRevoked(): void;
  /** After a renewal; existing sessions keep the old one. */
  setCertificate(certificate: EdgeCertificate): void;
  /**
   * GOAWAY to all. What is open goes on, and what still is after `drainMs` is cut. No more
   * connections may come.
   */
  stop(drainMs: number): Promise<void>;
};

export type SessionStart = { deviceId: string; address: string; end(): void };

type Session = { deviceId: string; socket: TLSSocket; h2: ServerHttp2Session | undefined };

const settings = {
  initialWindowSize: 1_048_576,
  // Not the limit of a device, which answers 429: a stream over this one would wait without a word.
  maxConcurrentStreams: 16_384,
  // RFC 8441: without it no client may ask for connect-udp or connect-ip.
  enableConnectProtocol: true,
};
/**
 * Of one session without a certificate: anybody may open one. No browser opens more (Chromium: 256),
 * whatever an edge allows.
 */
export const maxClientlessStreams = 256;
/** Node leaves the connection's window at 64 KB whatever `initialWindowSize` says. */
const sessionWindowBytes = 16 * 1_048_576;
/**
 * Node before 22.10 has these numbers and no way to change them: said so that a later Node keeps to
 * what agents count on (RST_STREAMs at once and a second, before it ends the session).
 */
const resetLimits = { streamResetBurst: 1_000, streamResetRate: 33 };
const defaultIdleMs = 60_000;
const firstSettingsMs = 10_000;
/** An agent needs a handful; each costs the edge its TLS state and buffers. */
export const maxSessionsPerDevice = 64;
/** Of clients without a certificate, for each network: an office behind one address, with HTTP/1.1 clients among them. */
const maxSessionsPerAddress = 1_024;

/**
 * A GOAWAY says which streams will still be served. The first names all (RFC 9113 section 6.8), since
 * some may be on their way; the last follows when a round trip is over for certain.
 */
const lastGoawayMs = 1_000;
const allStreams = 2 ** 31 - 1;

export const createSessionServer = (parts: {
  certificate: EdgeCertificate;
  edgeId: string;
  isRevoked: (deviceId: string) => boolean;
  openFlow: OpenFlow;
  /** By `:protocol` (RFC 8441). */
  protocols: ReadonlyMap<string, ServeProtocol>;
  limits: Pick<Limits, 'note'>;
  /** Clients say who they are by password with every request; left out: by certificate. */
  logIn?: LogIn;
  /** Told of devices' suspicions. */
  onBurst?: (asked: BurstAsked) => void;
  meter: Meter;
  idleMs?: number;
  headersMs?: number;
  /** From the TLS handshake to the client's SETTINGS. */
  settingsMs?: number;
  /** From a refusal to the client's end of the stream. */
  refusedLingerMs?: number;
  /** Told of every session that begins; what it returns is called when that one has ended. */
  onSession?: (session: SessionStart) => () => void;
  log: Log;
}): SessionServer => {
  const log = parts.log.child({ component: 'session' });
  const sessions = new Set<Session>();
  const sources = createSources();
  const raw = new Set<Socket>();
  let isDraining = false;
  const maxSessions = parts.logIn ? maxSessionsPerAddress : maxSessionsPerDevice;
  const h1 = createH1Exchange(parts);
  const conduct = createConduct(parts);
  const unsentLimit = createUnsentLimit({ log });
  // A plain HTTP/2 server that is handed TLS sockets: so identity is checked in one place for both
  // protocols, and no 'request' listener comes near CONNECT (it would answer 405).
  const h2 = http2.createServer({
    settings: {
      ...settings,
      ...(parts.logIn ? { maxConcurrentStreams: maxClientlessStreams } : {}),
    },
    ...resetLimits,
    maxSessionMemory: 256,
    peerMaxConcurrentStreams: settings.maxConcurrentStreams,
  });

  const server = createServer({
    ...secure(parts.certificate),
    ...(parts.logIn ? { minVersion: 'TLSv1.2' } : byCertificate),
    ALPNProtocols: ['h2', 'http/1.1'],
    handshakeTimeout: 10_000,
  });

  server.on('tlsClientError', (error) => log.debug({ err: error }, 'TLS handshake failed'));
  server.on('secureConnection', (socket) => {
    socket.on('error', (error) => log.debug({ err: error }, 'session failed'));
    const deviceId = parts.logIn ? networkOf(socket.remoteAddress ?? '') : deviceOf(socket);
    if (isDraining) return socket.destroy();
    if (deviceId === undefined || parts.isRevoked(deviceId)) {
      log.info({ deviceId, remoteAddress: socket.remoteAddress }, 'session refused');
      return socket.destroy();
    }
    if (countOf(sessions, deviceId) >= maxSessions) {
      log.warn({ deviceId, maxSessions }, 'session refused: the device has too many');
      return socket.destroy();
    }
    unsentLimit.apply(socket);
    const session: Session = { deviceId, socket, h2: undefined };
    sessions.add(session);
    const address = plainAddress(socket.remoteAddress ?? '');
    const forget = sources.add(address);
    const ended = parts.onSession?.({ deviceId, address, end: () => socket.destroy() });
    socket.once('close', () => {
      sessions.delete(session);
      forget();
      ended?.();
    });
    log.debug({ deviceId, protocol: socket.alpnProtocol }, 'session begun');
    if (socket.alpnProtocol !== 'h2') {
      // An HTTP/1.1 CONNECT may half-close.
      socket.allowHalfOpen = true;
      return h1.serve(socket, deviceId);
    }
    const h2Session = beginH2(h2, socket);
    if (!h2Session) return socket.destroy();
    session.h2 = h2Session;
    tune(h2Session, parts, log);
    endRefused(h2Session, parts.refusedLingerMs);
    // By password it may be another one with every request: the last is told for the session.
    let lastClient = parts.logIn ? undefined : deviceId;
    conduct.watchSession(h2Session, () => lastClient);
    return h2Session.on('stream', (stream, headers) => {
      let client = parts.logIn ? undefined : deviceId;
      conduct.watchStream(stream, () => client);
      serve(stream, headers, deviceId, (known) => {
        client = known;
        lastClient = known;
      });
    });
  });

  const serveKnown = async (
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    session: string,
    tell: (client: string) => void,
  ): Promise<void> => {
    const who = await (parts.logIn?.(headers['proxy-authorization'], session) ?? {
      client: session,
    });
    if ('status' in who) return refuseStream(stream, parts.edgeId, who);
    tell(who.client);
    if (stream.destroyed || stream.closed) return;
    return serveStream({ ...parts, stream, headers, deviceId: who.client });
  };
  const serve = (...[stream, ...request]: Parameters<typeof serveKnown>): void => {
    stream.on('error', () => {});
    serveKnown(stream, ...request).catch((error) => {
      log.error({ err: error }, 'flow failed inside the edge');
      stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
    });
  };
  h2.on('sessionError', (error) => log.debug({ err: error }, 'session failed'));

  return {
    accept(socket) {
      raw.add(socket);
      socket.on('close', () => raw.delete(socket));
      server.emit('connection', socket);
    },
    counts: () => ({
      sessionCount: sessions.size,
      deviceCount: new Set([...sessions].map(({ deviceId }) => deviceId)).size,
    }),
    countFrom: sources.count,
    endRevoked() {
      for (const { deviceId, socket } of [...sessions]) {
        if (!parts.isRevoked(deviceId)) continue;
        log.info({ deviceId }, 'session of a revoked device ended');
        socket.destroy();
      }
    },
    setCertificate: (certificate) => server.setSecureContext(secure(certificate)),
    async stop(drainMs) {
      const deadline = performance.now() + drainMs;
      isDraining = true;
      h1.drain();
      const open = () => [...sessions].flatMap(({ h2: own }) => (own && !own.closed ? [own] : []));
      if (drainMs > 0) {
        for (const session of open()) session.goaway(http2.constants.NGHTTP2_NO_ERROR, allStreams);
        await Promise.race([
          allClosed(raw),
          wait(Math.min(lastGoawayMs, drainMs / 2), undefined, { ref: false }),
        ]);
      }
      for (const session of open()) session.close();
      const timer = setTimeout(() => {
        for (const socket of [...raw]) socket.destroy();
      }, deadline - performance.now());
      await allClosed(raw);
      clearTimeout(timer);
    },
  };
};

const allClosed = async (sockets: ReadonlySet<Socket>): Promise<void> => {
  for (const socket of sockets) {
    if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
  }
};

const byCertificate = {
  requestCert: true,
  rejectUnauthorized: true,
  minVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256',
} as const;

/** How many there are from each address. */
const createSources = () => {
  const counts = new Map<string, number>();
  return {
    /** Returns how to take it out again. */
    add(address: string): () => void {
      counts.set(address, (counts.get(address) ?? 0) + 1);
      return () => {
        const left = (counts.get(address) ?? 0) - 1;
        if (left > 0) counts.set(address, left);
        else counts.delete(address);
      };
    },
    count: (address: string): number => counts.get(address) ?? 0,
  };
};

const secure = (certificate: EdgeCertificate) => ({
  cert: certificate.certificatePem,
  key: certificate.privateKeyPem,
  ...(certificate.caCertificatePem === '' ? {} : { ca: certificate.caCertificatePem }),
});

/** 'session' fires inside the emit or never: whose session it is stays certain either way. */
const beginH2 = (h2: Http2Server, socket: TLSSocket): ServerHttp2Session | undefined => {
  let begun: ServerHttp2Session | undefined;
  const take = (session: ServerHttp2Session) => {
    begun = session;
  };
  h2.on('session', take);
  h2.emit('connection', socket);
  h2.off('session', take);
  return begun;
};

const countOf = (sessions: ReadonlySet<Session>, deviceId: string): number => {
  let count = 0;
  for (const session of sessions) if (session.deviceId === deviceId) count += 1;
  return count;
};

/** Checked on every session, resumed ones too: OpenSSL does not look at the dates again there. */
const deviceOf = (socket: TLSSocket): string | undefined => {
  const certificate = socket.getPeerCertificate();
  if (!socket.authorized || !(Date.parse(certificate.valid_to) > Date.now())) return undefined;
  const prefix = 'urn:whyslow:device:';
  return uriNames(certificate.subjectaltname)
    .find((name) => name.startsWith(prefix))
    ?.slice(prefix.length);
};

const tune = (
  session: ServerHttp2Session,
  {
    idleMs = defaultIdleMs,
    settingsMs = firstSettingsMs,
  }: { idleMs?: number; settingsMs?: number },
  log: Log,
): void => {
  session.setLocalWindowSize(sessionWindowBytes);
  session.on('error', (error) => log.debug({ err: error }, 'session failed'));
  const timer = setTimeout(() => session.destroy(), settingsMs);
  session.once('remoteSettings', () => clearTimeout(timer));
  session.once('close', () => clearTimeout(timer));
  // Node's timeout does not see PING frames, and a control session carries nothing else.
  session.setTimeout(idleMs, () => session.close());
  session.on('ping', () => session.setTimeout(idleMs));
};
