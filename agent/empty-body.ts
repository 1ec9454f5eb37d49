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
  }
};
