import type { ProbeDefinition } from '#contract/plan.ts';
import type { BodyOf, ProbeType } from '#contract/result.ts';

/** The body of a run that measured nothing: every figure null, what was asked for filled in. */
export const emptyBody = (probe: ProbeDefinition): BodyOf[ProbeType] => {
  switch (probe.type) {
    case 'http':
      return {
        url: probe.url,
        method: probe.method,
        httpVersion: null,
        exchanges: [],
        certificate: null,
      };
    case 'path':
      return {
        target: probe.host,
        address: null,
        protocol: probe.protocol,
        method: 'unprivileged',
        reached: false,
        hops: [],
        rttMinMs: null,
        rttMedianMs: null,
        jitterMs: null,
        lossRatio: null,
        routeHash: null,
      };
    case 'page-load':
      return {
        url: probe.url,
        finalUrl: null,
        status: null,
        ttfbMs: null,
        fcpMs: null,
        lcpMs: null,
        cls: null,
        domContentLoadedMs: null,
        loadMs: null,
        totalBlockingMs: null,
        requestCount: 0,
        transferBytes: 0,
        failedRequestCount: 0,
        thirdPartyCount: 0,
        resources: [],
        consoleErrorCount: 0,
        browser: null,
      };
    case 'dns':
      return {
        name: probe.name,
        recordType: probe.recordType,
        servers: [],
        durationMs: null,
        answers: [],
      };
    case 'tcp':
      return { ...unconnected, host: probe.host, port: probe.port };
    case 'tls':
      return {
        ...unconnected,
        host: probe.host,
        port: probe.port,
        serverName: probe.serverName || probe.host,
        tlsMs: null,
        cipher: null,
        alpn: null,
        certificate: null,
        trusted: null,
        warnDays: probe.warnDays,
        expiresSoon: null,
      };
    case 'voice':
      return {
        target: probe.host,
        port: null,
        address: null,
        packetBytes: probe.packetBytes,
        packetsPerSecond: probe.packetsPerSecond,
        playoutMs: probe.playoutMs,
        ...emptyVoiceFigures,
      };
  }
};

const unconnected = {
  durationMs: 0,
  dnsMs: null,
  connectMs: null,
  proxyConnectMs: null,
  dnsSource: null,
  remoteAddress: null,
  family: null,
  attempts: [],
  edge: null,
};

const emptyVoiceFigures = {
  sentCount: 0,
  receivedCount: 0,
  duplicateCount: 0,
  reorderedCount: 0,
  lossRatio: null,
  longestLossCount: 0,
  rttMinMs: null,
  rttMedianMs: null,
  rttP95Ms: null,
  jitterMs: null,
  lateRatio: null,
  up: null,
  down: null,
  rating: null,
  mos: null,
  sendLateP95Ms: null,
};
