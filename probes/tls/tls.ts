import type { TlsBody } from '#contract/body/connection.ts';
import type { Failure } from '#contract/failure.ts';
import type { TlsProbe } from '#contract/plan.ts';
import { classifyError } from '../classify.ts';
import { startDeadline } from '../deadline.ts';
import { sinceMs, sumMs } from '../duration.ts';
import { type HandshakeOptions, handshake, type Secured } from '../handshake.ts';
import { type ConnectionMeans, type OpenedConnection, openConnection } from '../open-connection.ts';
import type { Outcome, Prober } from '../probe.ts';
import { createNameResolver } from '../resolve.ts';
import { createTrust } from '../trust.ts';
import { userAgent } from '../user-agent.ts';

/**
 * A TLS handshake without anything over it: what the server speaks, whom its certificates are of and
 * how long they last. One that expires soon is a warning in the body and no failure: it works.
 */
export const createTlsProber = (): Prober<'tls'> => {
  const trust = createTrust();
  return {
    type: 'tls',
    async run(probe, { signal, proxy, extraCa }) {
      let startedMs = performance.now();
      try {
        // Reading some 300 certificates, the first time: no part of the run.
        const context = trust.contextFor(extraCa);
        startedMs = performance.now();
        const deadline = startDeadline(signal, probe.timeoutMs);
        const { family } = probe;
        const resolver = createNameResolver();
        const means = { resolver, proxy, family, userAgent, deadline, context };
        return await measure(probe, means, startedMs).finally(deadline.stop);
      } catch (error) {
        // What no network does: a CA that cannot be read, a protocol that cannot be offered.
        return conclude(probe, startedMs, nothing, undefined, classifyError('prepare', error));
      }
    },
    stop: () => Promise.resolve(),
  };
};

const measure = async (
  probe: TlsProbe,
  means: ConnectionMeans & HandshakeOptions,
  startedMs: number,
): Promise<Outcome<'tls'>> => {
  const opened = await openConnection(probe, means);
  if (!opened.ok) return conclude(probe, startedMs, opened, undefined, opened.failure);
  const { alpn } = probe;
  const secured = await handshake(opened.socket, nameOf(probe), { ...means, alpn });
  const outcome = conclude(probe, startedMs, opened, secured, secured.ok ? null : secured.failure);
  if (secured.ok) secured.socket.on('error', () => {}).destroy();
  return outcome;
};

const nameOf = ({ serverName, host }: TlsProbe): string => serverName || host;

type Connection = Omit<OpenedConnection, 'ok' | 'socket' | 'failure'>;

const nothing: Connection = {
  dnsMs: null,
  connectMs: null,
  proxyConnectMs: null,
  dnsSource: null,
  attempts: [],
  remoteAddress: null,
  family: null,
  edge: null,
};

const conclude = (
  probe: TlsProbe,
  startedMs: number,
  connection: Connection,
  secured: Secured | undefined,
  failure: Failure | null,
): Outcome<'tls'> => {
  const { dnsMs, connectMs, proxyConnectMs, dnsSource, remoteAddress, family, attempts, edge } =
    connection;
  const tlsMs = secured?.ok ? secured.tlsMs : null;
  return {
    durationMs: sinceMs(startedMs),
    availability: failure === null ? 1 : 0,
    failure,
    body: {
      host: probe.host,
      port: probe.port,
      durationMs: sumMs([dnsMs, connectMs, proxyConnectMs, tlsMs]),
      ...{ dnsMs, connectMs, proxyConnectMs, dnsSource, remoteAddress, family, attempts, edge },
      serverName: nameOf(probe),
      tlsMs,
      ...agreedOn(secured),
      ...judgeCertificate(probe, secured, failure),
    },
  };
};

const agreedOn = (secured: Secured | undefined): Pick<TlsBody, 'cipher' | 'alpn'> => {
  if (!secured?.ok) return { cipher: null, alpn: null };
  const { standardName } = secured.socket.getCipher();
  return { cipher: standardName, alpn: secured.socket.alpnProtocol || '' };
};

const judgeCertificate = (
  { warnDays }: TlsProbe,
  secured: Secured | undefined,
  failure: Failure | null,
): Pick<TlsBody, 'certificate' | 'trusted' | 'warnDays' | 'expiresSoon'> => {
  const certificate = secured?.certificate ?? null;
  const daysLeft = certificate?.daysLeft;
  return {
    certificate,
    trusted: certificate === null ? null : isTrusted(failure),
    warnDays,
    expiresSoon: daysLeft === undefined ? null : daysLeft < warnDays,
  };
};

/** The name is looked at last: a certificate for another name has passed everything before. */
const isTrusted = (failure: Failure | null): boolean =>
  failure === null || failure.type === 'tls.cert.name_invalid';
