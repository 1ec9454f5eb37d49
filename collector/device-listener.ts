import type { KeyedCertificate } from '#runtime/certificates.ts';
import type { Log } from '#runtime/log.ts';
import type { ArtefactRows } from './control/artefact-rows.ts';
import type { ConfigSource } from './control/config-source.ts';
import { registerDeviceRoutes } from './control/device-routes.ts';
import type { Enrollment } from './control/enrollment.ts';
import type { Fleet } from './control/fleet.ts';
import type { HeldQuestions } from './control/held-questions.ts';
import { createIdentityCheck } from './control/identity.ts';
import { createRefusalLimit } from './control/refusal-limit.ts';
import { type App, createApp } from './http/app.ts';
import { issueListenerCertificate } from './http/listener-certificate.ts';
import { describeRoutes, type OpenApiDocument } from './http/openapi.ts';
import { limitRequestsUnderway } from './http/requests-underway.ts';
import { registerArtefactUpload } from './ingest/artefact-upload.ts';
import type { Ingest } from './ingest/ingest.ts';
import { registerIngestRoutes } from './ingest/ingest-routes.ts';
import type { IngestLimits } from './ingest/limits.ts';
import { measureHttp } from './metrics/http-metrics.ts';
import { watchIntake } from './metrics/measured.ts';
import type { Metrics } from './metrics/metrics.ts';

/** Refused enrolments from one address before it has to wait. */
const refusalsAMinute = 20;

/** Under way at once; devices and edges send one after the other. */
const requestsPerConnection = 8;

/** Where devices and edges come: HTTPS with the tenant's own CA, identity by client certificate. */
export const createDeviceListener = async (parts: {
  authority: KeyedCertificate;
  listenHost: string;
  enrollment: Enrollment;
  fleet: Fleet;
  configs: ConfigSource;
  held: HeldQuestions;
  ingest: Ingest;
  limits: IngestLimits;
  metrics: Metrics;
  artefacts: ArtefactRows;
  now: () => number;
  log: Log;
}): Promise<{ app: App; certificatePem: string; openApi: () => OpenApiDocument }> => {
  const { authority, listenHost, fleet, metrics, now, log } = parts;
  const certificate = await issueListenerCertificate(authority, listenHost, now());
  const app = createApp({
    log,
    tls: { ...certificate, caPem: authority.certificatePem },
    onProblem: (problem) => metrics.http.problems.add({ listener: 'device', problem }),
  });
  measureHttp(app, 'device', metrics);
  limitRequestsUnderway(app, requestsPerConnection);
  const openApi = await describeRoutes(app, 'whyslow collector');
  const identities = createIdentityCheck({ fleet, now });
  registerDeviceRoutes(app, {
    caCertificatePem: authority.certificatePem,
    enrollment: parts.enrollment,
    identities,
    configs: parts.configs,
    held: parts.held,
    refusals: createRefusalLimit({ limit: refusalsAMinute, windowMs: 60_000, now }),
  });
  registerIngestRoutes(app, {
    ingest: parts.ingest,
    identities,
    watch: watchIntake(metrics),
    limits: parts.limits,
    now,
  });
  registerArtefactUpload(app, { artefacts: parts.artefacts, identities, now });
  return { app, certificatePem: certificate.certificatePem, openApi };
};
