import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { ServerCertificate } from '#contract/body/connection.ts';
import { findInspection } from './inspection.ts';
import type { TrustContext } from './trust.ts';

type Described = Pick<ServerCertificate, 'subject' | 'issuer' | 'notAfter'> &
  Required<Pick<ServerCertificate, 'chain' | 'root' | 'inspection'>>;

/** Chains described before, by what was sent: a server shows the same one on every run. */
const createMemory = () => {
  const known = new Map<string, Described>();
  return {
    get: (key: string) => known.get(key),
    keep(key: string, described: Described): Described {
      if (known.size >= rememberedChains) known.clear();
      known.set(key, described);
      return described;
    },
  };
};

const rememberedChains = 500;

const memories = new WeakMap<TrustContext, ReturnType<typeof createMemory>>();

/** What is to be told of the certificates a server showed; null when it showed none. */
export const describeCertificate = (
  socket: TLSSocket,
  leaf: X509Certificate | undefined,
  host: string,
  trust: TrustContext,
): ServerCertificate | null => {
  if (leaf === undefined) return null;
  const chain = chainOf(leaf);
  const memory = memories.get(trust) ?? createMemory();
  memories.set(trust, memory);
  const key = chain.map(({ fingerprint256 }) => fingerprint256).join();
  const described = memory.get(key) ?? memory.keep(key, describeChain(chain, trust));
  const firstEnd = Math.min(...described.chain.map(({ notAfter }) => notAfter));
  return {
    ...described,
    protocol: (socket.getProtocol() ?? '').slice(0, 16),
    nameMatches: isFor(leaf, host),
    daysLeft: Math.round(((firstEnd - Date.now()) / dayMs) * 100) / 100,
  };
};

/** Whether a certificate is for the name or address that was asked for (RFC 9525). */
export const isFor = (leaf: X509Certificate, host: string): boolean =>
  (isIP(host) === 0 ? leaf.checkHost(host) : leaf.checkIP(host)) !== undefined;

const dayMs = 86_400_000;

/** More than anybody sends in earnest. */
const longestChain = 9;

const chainOf = (leaf: X509Certificate): X509Certificate[] => {
  const chain: X509Certificate[] = [];
  for (
    let link: X509Certificate | undefined = leaf;
    link && chain.length < longestChain;
    link = link.issuerCertificate
  ) {
    if (chain.at(-1)?.fingerprint256 === link.fingerprint256) break;
    chain.push(link);
  }
  return chain;
};

const describeChain = (sent: readonly X509Certificate[], trust: TrustContext): Described => {
  const { root, certificate } = trust.rootOf(sent);
  const isSent = sent.some(({ fingerprint256 }) => fingerprint256 === certificate?.fingerprint256);
  const chain = (certificate && !isSent ? [...sent, certificate] : sent).map(describeOne);
  const [leaf] = chain;
  return {
    subject: leaf?.subject ?? '',
    issuer: leaf?.issuer ?? '',
    notAfter: Math.min(Math.max(leaf?.notAfter ?? 0, epochMsLowest), epochMsHighest),
    chain,
    root,
    inspection: findInspection(chain, root),
  };
};

const describeOne = (certificate: X509Certificate): Described['chain'][number] => ({
  subject: nameOf(certificate.subject),
  issuer: nameOf(certificate.issuer),
  notBefore: timeOf(certificate.validFrom),
  notAfter: timeOf(certificate.validTo),
});

const timeOf = (text: string): number => {
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(ms, 0), lastCertificateMs);
};

/** RFC 5280 §4.1.2.5: 99991231235959Z stands for "no end". */
const lastCertificateMs = 253_402_300_799_000;
/** What contract/scalar.ts takes for a time of day; certificates expired long ago lie below. */
const epochMsLowest = 1_577_836_800_000;
const epochMsHighest = 4_102_444_800_000;

/** Common name and organisation of a distinguished name as Node writes it: a line an attribute. */
const nameOf = (name: string | undefined): string =>
  ['CN', 'O']
    .flatMap((type) =>
      (name ?? '')
        .split('\n')
        .filter((line) => line.startsWith(`${type}=`))
        .map((line) => line.slice(type.length + 1).replace(/\\(.)/g, '$1')),
    )
    .join(', ')
    .slice(0, 256);
