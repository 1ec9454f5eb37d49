import { isIP } from 'node:net';
import { parseServer } from '#contract/dns-server.ts';
import type {
  DnsProbe,
  HttpProbe,
  PageLoadProbe,
  PathProbe,
  TcpProbe,
  TlsProbe,
  VoiceProbe,
} from '#contract/plan.ts';
import type { Via } from '#contract/result.ts';
import { stampPort } from '#contract/stamp.ts';
import { UsageError } from '../usage-error.ts';
import type { CommonOptions } from './options.ts';
import { readSteps } from './steps-file.ts';

export type HttpOptions = CommonOptions & {
  method: HttpProbe['method'];
  header?: Record<string, string>;
  expectStatus?: number[];
  expectBody?: string;
  maxRedirects?: number;
  maxBytes?: number;
  body?: string;
  httpVersion: NonNullable<HttpProbe['httpVersion']>;
  family: NonNullable<HttpProbe['family']>;
  warm?: true;
};
export type PathOptions = CommonOptions & { protocol?: PathProbe['protocol']; port?: number };
export type DnsOptions = CommonOptions & {
  record: DnsProbe['recordType'];
  server?: string;
  compare?: string[];
};

export type PageOptions = CommonOptions & {
  steps?: string;
  secrets?: string;
  har?: string;
  screenshot?: string;
};
export type TcpOptions = CommonOptions & { family: TcpProbe['family'] };
export type TlsOptions = TcpOptions & { serverName?: string; alpn?: string[]; warnDays: number };
export type VoiceOptions = CommonOptions & {
  seconds: number;
  rate: number;
  bytes: number;
  playout: number;
};

export const defineHttp = (target: string, options: HttpOptions): HttpProbe => ({
  ...schedule(options, 60),
  type: 'http',
  url: readUrl(target),
  method: options.method,
  headers: options.header ?? {},
  expectStatus: options.expectStatus ?? [],
  expectBody: options.expectBody ?? '',
  maxRedirects: options.maxRedirects ?? 5,
  maxBodyBytes: options.maxBytes ?? 100_000_000,
  requestBody: options.body ?? '',
  httpVersion: options.httpVersion,
  family: options.family,
  warm: options.warm ?? false,
});

/** A URL is taken for its host and port, so that the path is the one the request would take. */
export const definePath = (target: string, options: PathOptions): PathProbe => {
  const url = target.includes('://') ? new URL(readUrl(target)) : undefined;
  const protocol = options.protocol ?? (options.port === undefined && !url ? 'icmp' : 'tcp');
  return {
    ...schedule(options, 15),
    type: 'path',
    host: url ? url.hostname.replace(/^\[|\]$/g, '') : readPathHost(target),
    protocol,
    port: options.port ?? (url ? portOf(url) : protocol === 'udp' ? tracerouteUdpPort : 443),
    packetCount: options.count ?? 5,
    maxHops: 30,
  };
};

export const definePage = (target: string, options: PageOptions): PageLoadProbe => ({
  ...schedule(options, 60),
  type: 'page-load',
  url: readUrl(target),
  ...(options.steps === undefined ? {} : { steps: readSteps(options.steps) }),
  screenshot: options.screenshot === undefined ? 'never' : 'always',
  har: options.har !== undefined,
});

export const defineDns = (target: string, options: DnsOptions): DnsProbe => ({
  ...schedule(options, 10),
  type: 'dns',
  name: readHost(target),
  recordType: options.record,
  server: options.server === undefined ? '' : readServer('--server', options.server),
  ...(options.compare === undefined
    ? {}
    : { compareWith: options.compare.slice(0, 7).map((one) => readServer('--compare', one)) }),
});

export const defineTcp = (target: string, options: TcpOptions): TcpProbe => ({
  ...schedule(options, 10),
  type: 'tcp',
  ...readPlace(target, undefined),
  family: options.family,
});

export const defineTls = (target: string, options: TlsOptions): TlsProbe => ({
  ...schedule(options, 10),
  type: 'tls',
  ...readPlace(target, 443),
  family: options.family,
  serverName: options.serverName ?? '',
  alpn: options.alpn ?? ['h2', 'http/1.1'],
  warnDays: options.warnDays,
});

export const defineVoice = (target: string, options: VoiceOptions): VoiceProbe => ({
  ...schedule(options, options.seconds + 10),
  type: 'voice',
  ...readPlace(target, stampPort),
  packetsPerSecond: options.rate,
  packetBytes: options.bytes,
  streamMs: options.seconds * 1_000,
  playoutMs: options.playout,
});

/** Where traceroute starts, and where nothing is expected to listen. */
const tracerouteUdpPort = 33_434;

/** A run by hand belongs to no plan; the names only fill the definition. */
const schedule = (options: CommonOptions, timeoutSeconds: number) => ({
  id: 'by-hand',
  appId: 'by-hand',
  via: (options.proxy ? 'tunnel' : 'direct') satisfies Via as Via,
  intervalMs: 60_000,
  timeoutMs: Math.round((options.timeout ?? timeoutSeconds) * 1_000),
});

const readUrl = (target: string): string => {
  const text = target.includes('://') ? target : `https://${target}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && /^https?:$/.test(url.protocol) && text.length <= 2_048) return text;
  throw new UsageError(`target ${target}: give an http:// or https:// URL, or a host name`);
};

const readHost = (target: string): string => {
  const host = target.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0 || /^[\w-]+(\.[\w-]+)*\.?$/.test(host)) return host;
  throw new UsageError(`target ${target}: give a host name or an address, as in app.example.com`);
};

const readPathHost = (target: string): string => {
  const [, host, port] = /^(\[[^\]]+\]|[^:]+):(\d{1,5})$/.exec(target) ?? [];
  if (port === undefined) return readHost(target);
  throw new UsageError(`target ${target}: give the port apart, as in ${host} --port ${port}`);
};

const readPlace = (
  target: string,
  defaultPort: number | undefined,
): { host: string; port: number } => {
  const bare = isIP(target) === 6 ? `[${target}]` : target;
  const [, host = '', digits] = /^(\[[^\]]+\]|[^:]+)(?::(\d{1,5}))?$/.exec(bare) ?? [];
  const port = digits === undefined ? defaultPort : Number(digits);
  if (host !== '' && port !== undefined && port >= 1 && port <= 65_535) {
    return { host: readHost(host), port };
  }
  const form = defaultPort === undefined ? 'HOST:PORT' : 'HOST or HOST:PORT';
  throw new UsageError(`target ${target}: give it as ${form}, as in app.example.com:443`);
};

const readServer = (option: string, server: string): string => {
  if (parseServer(server) !== undefined) return server;
  throw new UsageError(
    `${option} ${server}: give an address, as in 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:53, or tcp://, tls:// or https://`,
  );
};

const portOf = (url: URL): number =>
  url.port !== '' ? Number(url.port) : url.protocol === 'https:' ? 443 : 80;
