import { tmpdir } from 'node:os';
import type { DnsProbe, HttpProbe, TcpProbe, TlsProbe, VoiceProbe } from '#contract/plan.ts';
import type { ProbeContext } from '#probes/probe.ts';

/** A context for one run straight from this machine. */
export const probeContext = (changes: Partial<ProbeContext> = {}): ProbeContext => ({
  signal: new AbortController().signal,
  proxy: undefined,
  extraCa: [],
  workFolder: tmpdir(),
  browserPath: undefined,
  ...changes,
});

const schedule = {
  id: 'probe',
  appId: 'app',
  via: 'direct' as const,
  intervalMs: 60_000,
  timeoutMs: 10_000,
};

export const httpProbe = (url: string, changes: Partial<HttpProbe> = {}): HttpProbe => ({
  ...schedule,
  type: 'http',
  url,
  method: 'GET',
  headers: {},
  expectStatus: [],
  expectBody: '',
  maxRedirects: 5,
  maxBodyBytes: 1_000_000,
  ...changes,
});

export const dnsProbe = (name: string, changes: Partial<DnsProbe> = {}): DnsProbe => ({
  ...schedule,
  type: 'dns',
  name,
  recordType: 'A',
  server: '',
  ...changes,
});

export const tcpProbe = (
  host: string,
  port: number,
  changes: Partial<TcpProbe> = {},
): TcpProbe => ({
  ...schedule,
  type: 'tcp',
  host,
  port,
  family: 'any',
  ...changes,
});

export const tlsProbe = (
  host: string,
  port: number,
  changes: Partial<TlsProbe> = {},
): TlsProbe => ({
  ...schedule,
  type: 'tls',
  host,
  port,
  family: 'any',
  serverName: '',
  alpn: ['h2', 'http/1.1'],
  warnDays: 14,
  ...changes,
});

/** Fifty packets in a second; a call's would be longer. */
export const voiceProbe = (changes: Partial<VoiceProbe> = {}): VoiceProbe => ({
  ...schedule,
  type: 'voice',
  host: '',
  port: 862,
  packetsPerSecond: 50,
  packetBytes: 172,
  streamMs: 1_000,
  playoutMs: 60,
  ...changes,
});
