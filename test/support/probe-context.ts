import { tmpdir } from 'node:os';
import type { DnsProbe, HttpProbe } from '#contract/plan.ts';
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
