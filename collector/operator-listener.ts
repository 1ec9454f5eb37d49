import type { Log } from '#runtime/log.ts';
import { registerAccessRoutes } from './control/access-routes.ts';
import { registerArtefactRoutes } from './control/artefact-routes.ts';
import type { ArtefactRows } from './control/artefact-rows.ts';
import { registerAssignmentRoutes } from './control/assignment-routes.ts';
import { registerBackupRoute } from './control/backup-routes.ts';
import type { DeliveryRows } from './control/delivery-rows.ts';
import type { EnrollmentTokens } from './control/enrollment-tokens.ts';
import type { Fleet } from './control/fleet.ts';
import { registerFleetRoutes } from './control/fleet-routes.ts';
import type { Operators } from './control/operators.ts';
import { registerOrganisationRoutes } from './control/organisation-routes.ts';
import type { OrganisationVersions } from './control/organisation-versions.ts';
import { registerRecordRoutes } from './control/record-routes.ts';
import type { AccountRows } from './control/run-account-rows.ts';
import { registerRunRoutes } from './control/run-routes.ts';
import type { VerdictRows } from './control/verdict-rows.ts';
import { type App, createApp } from './http/app.ts';
import { registerHealthRoutes } from './http/health-routes.ts';
import { createHostCheck } from './http/host-check.ts';
import { describeRoutes, joinDocuments, type OpenApiDocument } from './http/openapi.ts';
import { createOperatorAuth } from './http/operator-auth.ts';
import { registerSchemaRoutes } from './http/schema-routes.ts';
import { registerSessionRoutes } from './http/session-routes.ts';
import type { Jobs } from './jobs/jobs.ts';
import type { Census } from './metrics/census.ts';
import { measureHttp } from './metrics/http-metrics.ts';
import type { Metrics } from './metrics/metrics.ts';
import { registerMetricsRoute } from './metrics/metrics-routes.ts';
import { registerPages } from './pages/register-pages.ts';
import { registerTriageApi } from './pages/register-triage-api.ts';
import type { State } from './state/state.ts';
import type { Store } from './store/store.ts';
import { registerZeroLossRoutes } from './zero-loss/zero-loss-routes.ts';

/** Where people and scripts come: pages, API, health. Plain HTTP, by default for this machine only. */
export const createOperatorListener = async (parts: {
  listenHost: string;
  publicUrl: string | undefined;
  engines: { store: Store; state: State; jobs: Jobs };
  operators: Operators;
  tokens: EnrollmentTokens;
  fleet: Fleet;
  organisations: OrganisationVersions;
  verdicts: VerdictRows;
  deliveries: DeliveryRows;
  artefacts: ArtefactRows;
  accounts: AccountRows;
  runs: Pick<Parameters<typeof registerRunRoutes>[1], 'runRequests' | 'planOf' | 'held'>;
  deviceListener: { url: () => string; openApi: () => OpenApiDocument };
  operatorUrl: () => string;
  metrics: Metrics;
  census: Census;
  stateFolder: string;
  isStopping: () => boolean;
  metricsAccess: 'token' | 'public';
  now: () => number;
  log: Log;
}): Promise<App> => {
  const { engines, operators, tokens, fleet, organisations, verdicts, deliveries, now } = parts;
  const { listenHost, publicUrl, deviceListener } = parts;
  const { metrics, census, metricsAccess } = parts;
  const app = createApp({
    log: parts.log,
    onProblem: (problem) => metrics.http.problems.add({ listener: 'operator', problem }),
  });
  measureHttp(app, 'operator', metrics);
  app.addHook('onRequest', createHostCheck({ listenHost, publicUrl }));
  const openApi = await describeRoutes(app, 'whyslow collector');
  const auth = createOperatorAuth({ operators, now });

  registerHealthRoutes(app, { ...engines, isStopping: parts.isStopping });
  const requireViewer = auth.require('viewer');
  registerMetricsRoute(app, { metrics, census, access: metricsAccess, requireViewer });
  registerSchemaRoutes(app, () =>
    joinDocuments([
      { document: openApi(), url: parts.operatorUrl(), description: 'people and scripts' },
      {
        document: deviceListener.openApi(),
        url: deviceListener.url(),
        description: 'devices and edges, mutual TLS',
      },
    ]),
  );
  const isSecure = publicUrl?.startsWith('https:') === true;
  registerSessionRoutes(app, { operators, isSecure, now });
  registerOrganisationRoutes(app, { organisations, auth, now });
  registerFleetRoutes(app, { fleet, auth, now });
  registerAssignmentRoutes(app, { fleet, organisations, auth, now });
  registerAccessRoutes(app, { operators, tokens, auth, now });
  registerBackupRoute(app, { ...parts, db: engines.state.db, auth });
  registerRecordRoutes(app, { verdicts, deliveries, db: engines.state.db, auth });
  registerRunRoutes(app, { ...parts.runs, fleet, store: engines.store, auth, now });
  registerArtefactRoutes(app, { artefacts: parts.artefacts, auth });
  const pages = {
    store: engines.store,
    state: engines.state,
    accounts: parts.accounts,
    now,
    requireViewer,
  };
  registerTriageApi(app, pages);
  registerZeroLossRoutes(app, { ...parts, store: engines.store, auth });
  registerPages(app, pages);
  return app;
};
