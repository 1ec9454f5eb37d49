import { chmodSync, mkdirSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Verdict } from '#contract/verdict.ts';
import { certificateFingerprint } from '#runtime/certificates.ts';
import { systemClock } from '#runtime/clock.ts';
import type { Log } from '#runtime/log.ts';
import { createStopper } from '#runtime/service.ts';
import { type CollectorProgramConfig, otlpDefaults } from './config.ts';
import { createArtefactRows } from './control/artefact-rows.ts';
import { loadAuthority } from './control/authority.ts';
import { createBatchRows } from './control/batch-rows.ts';
import { createCensusRows } from './control/census-rows.ts';
import { createConfigSource } from './control/config-source.ts';
import { createDeliveryRows } from './control/delivery-rows.ts';
import { createEngineRows } from './control/engine-rows.ts';
import { createEnrollment } from './control/enrollment.ts';
import { createEnrollmentTokens } from './control/enrollment-tokens.ts';
import { ensureFirstOperator } from './control/first-operator.ts';
import { createFleet } from './control/fleet.ts';
import { createFleetRows } from './control/fleet-rows.ts';
import { createHeldQuestions } from './control/held-questions.ts';
import { createOperators } from './control/operators.ts';
import { createOrganisationVersions } from './control/organisation-versions.ts';
import { createRollupRows } from './control/rollup-rows.ts';
import { createAccountRows } from './control/run-account-rows.ts';
import { createRunRequests } from './control/run-requests.ts';
import { createVerdictRows } from './control/verdict-rows.ts';
import { createDeviceListener } from './device-listener.ts';
import { startOtlpExport } from './export/otlp-export.ts';
import { createBinClock } from './fleet/bin-clock.ts';
import { createLateNotes } from './fleet/late.ts';
import type { App } from './http/app.ts';
import { startCertificateRenewal } from './http/listener-certificate.ts';
import { createDeclaredApplications } from './ingest/declared-applications.ts';
import { createIngest } from './ingest/ingest.ts';
import { createKeepAccounts } from './ingest/keep-accounts.ts';
import { createSiteNames } from './ingest/site-names.ts';
import { openJobs } from './jobs/open.ts';
import { createCensus } from './metrics/census.ts';
import { watchCertificates } from './metrics/certificates.ts';
import {
  countAttempts,
  countStored,
  countVerdict,
  measureIngest,
  measureJobs,
  measureStore,
  watchSenders,
} from './metrics/measured.ts';
import { createMetrics, type Metrics } from './metrics/metrics.ts';
import { createOperatorListener } from './operator-listener.ts';
import { keptRawMs } from './retention.ts';
import { createLateMarks } from './rollup/late-marks.ts';
import { createLabelRows } from './state/label-rows.ts';
import { openState } from './state/open.ts';
import { openStore } from './store/open.ts';
import { tenantPlaces } from './tenant.ts';
import { startWorkers } from './workers.ts';

export type RunningCollector = {
  deviceUrl: string;
  operatorUrl: string;
  /** The first operator's, as long as it is valid; absent where another collector made it. */
  operatorToken?: string;
  stop(): Promise<void>;
};

/** A part that hangs while stopping is left after this long; what it holds is durable elsewhere. */
const stopWithinMs = 10_000;

/**
 * The centre. Starts engines, then listeners (so that nothing is accepted that could not be kept),
 * then the workers; stops in the reverse order.
 */
export const startCollector = async (
  config: CollectorProgramConfig,
  parts: { log: Log },
): Promise<RunningCollector> => {
  const { log } = parts;
  const stopper = createStopper(log);
  const whenStopping = (name: string, stop: () => Promise<void> | void) =>
    stopper.add(name, () => bounded(name, stop));
  try {
    return await start(config, log, whenStopping, () => stopper.stop());
  } catch (error) {
    await stopper.stop();
    throw error;
  }
};

type WhenStopping = (name: string, stop: () => Promise<void> | void) => void;

const start = async (
  config: CollectorProgramConfig,
  log: Log,
  whenStopping: WhenStopping,
  stop: () => Promise<void>,
): Promise<RunningCollector> => {
  const { now } = systemClock;
  let isStopping = false;
  const metrics = createMetrics();
  const opened = await openEngines(config, log, whenStopping);
  const engines = {
    ...opened,
    store: measureStore(opened.store, metrics),
    jobs: measureJobs(opened.jobs, metrics),
  };
  const { store, state, jobs } = engines;
  const authority = await loadAuthority(state.db, now());
  const operatorToken = await ensureFirstOperator(
    state.db,
    tenantPlaces(config).stateFolder,
    now(),
  );

  const fleet = watchSenders(createFleet(state.db), metrics, now);
  const organisations = createOrganisationVersions(state.db);
  const tokens = createEnrollmentTokens(state.db, certificateFingerprint(authority.certificatePem));
  const batches = createBatchRows(state.db);
  const verdicts = createVerdictRows(state.db);
  const deliveries = countAttempts(createDeliveryRows(state.db), metrics);
  const artefacts = createArtefactRows(state.db);
  const accounts = createAccountRows(state.db);
  const engineRows = createEngineRows(state.db);
  const fleetRows = createFleetRows(state.db);
  const rollupRows = createRollupRows(state.db);
  const { retention } = config;
  const clock = createBinClock(config.diagnosis);

  // Known once the listeners are: ports may be any free ones.
  const urls = { device: '', operator: '', pages: config.publicUrl?.replace(/\/$/, '') ?? '' };
  const { diagnoseDelayMs } = config;
  const runRequests = createRunRequests(state.db);
  const configs = createConfigSource({
    organisations,
    fleet,
    authority,
    // Behind TLS a plain request would be sent on to https and look like a portal: no check then.
    captivePortalUrl: () => (urls.pages.startsWith('http:') ? `${urls.pages}/generate_204` : ''),
    runRequests,
    now,
  });
  const held = createHeldQuestions({
    devicesAskedSince: runRequests.devicesAskedSince,
    edgeNews: async () => `${await organisations.currentNumber()} ${await fleet.deviceNews(now())}`,
    now,
    onError: (error) => log.warn({ component: 'http', err: error }, 'requests not looked for'),
  });
  const noteLate = createLateNotes(engineRows, clock);
  const markLate = createLateMarks(rollupRows, keptRawMs(retention));
  const exporter = startExport(config, metrics, log);
  if (exporter) whenStopping('export', exporter.stop);
  const ingest = createIngest({
    store,
    batches,
    declaredApplications: createDeclaredApplications(organisations),
    runRequests,
    fleet,
    jobs,
    keepAccounts: createKeepAccounts(accounts),
    nameSite: createSiteNames(authority.privateKeyPem),
    noteLate: async (sender, times, storedAt) => {
      await noteLate(sender, times, storedAt);
      await markLate(times, storedAt);
    },
    onStored: (stored) => {
      countStored(stored, metrics);
      exporter?.stored(stored);
    },
    now,
    diagnoseDelayMs,
    log,
  });
  const device = await createDeviceListener({
    authority,
    listenHost: config.deviceListen.host,
    enrollment: createEnrollment({ db: state.db, authority, tokens, now }),
    fleet,
    configs,
    held,
    ingest: measureIngest(ingest, metrics),
    metrics,
    limits: config.limits,
    artefacts,
    now,
    log,
  });
  const operator = await createOperatorListener({
    listenHost: config.operatorListen.host,
    publicUrl: config.publicUrl,
    engines,
    operators: createOperators(state.db),
    tokens,
    fleet,
    organisations,
    verdicts,
    deliveries,
    artefacts,
    deviceListener: { url: () => urls.device, openApi: device.openApi },
    operatorUrl: () => urls.operator,
    accounts,
    runs: { runRequests, planOf: configs.planOf, held },
    metrics,
    census: createCensus({ metrics, ...engines, rows: createCensusRows(state.db, now), now }),
    stateFolder: tenantPlaces(config).stateFolder,
    isStopping: () => isStopping,
    metricsAccess: config.metrics,
    now,
    log,
  });

  urls.operator = await listen(operator, config.operatorListen, 'http');
  whenStopping('operator listener', () => operator.close());
  if (urls.pages === '') urls.pages = urls.operator;
  urls.device = await listen(device.app, config.deviceListen, 'https');
  whenStopping('device listener', () => device.app.close());
  // Before the listeners, which wait for what is under way.
  whenStopping('held questions', () => held.stop());
  const certificates = watchCertificates(metrics, {
    ca: authority.certificatePem,
    listener: device.certificatePem,
  });
  const renewal = startCertificateRenewal(device.app, authority, {
    listenHost: config.deviceListen.host,
    now,
    onRenewed: certificates.listenerRenewed,
    onError: (error) => log.error({ component: 'http', err: error }, 'certificate not renewed'),
  });
  whenStopping('certificate renewal', renewal.stop);

  const pagesUrl = () => urls.pages;
  const kept = { verdicts, deliveries, batches, artefacts, runRequests, accounts };
  const records = { fleet, organisations, ...kept };
  const ofFleet = { fleetRows, engineRows, clock, shardBy: config.diagnosis.shardBy };
  const count = countVerdict(metrics);
  const onVerdict = (verdict: Verdict): void => {
    count(verdict);
    exporter?.judged(verdict);
  };
  const workers = startWorkers({
    store,
    jobs,
    ...records,
    ...ofFleet,
    rollupRows,
    retention,
    onVerdict,
    pagesUrl,
    now,
    log,
  });
  whenStopping('workers', workers.stop);
  // The first thing: a balancer sends nobody here while the rest comes to its end.
  whenStopping('readiness', () => {
    isStopping = true;
  });

  log.info({ component: 'collector', ...urls }, 'collector started');
  return {
    deviceUrl: urls.device,
    operatorUrl: urls.operator,
    ...(operatorToken === undefined ? {} : { operatorToken }),
    stop,
  };
};

const startExport = (
  { export: to, tenant }: CollectorProgramConfig,
  metrics: Metrics,
  log: Log,
) => {
  if (to === undefined) return undefined;
  const settings = { ...otlpDefaults, ...to.otlp };
  const { now } = systemClock;
  return startOtlpExport({ settings, tenant, counted: metrics.export, now, log });
};

const openEngines = async (
  config: CollectorProgramConfig,
  log: Log,
  whenStopping: WhenStopping,
) => {
  const places = tenantPlaces(config);
  const folder = places.stateFolder;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // One that was there before keeps its mode: the CA's key lies in it.
  chmodSync(folder, 0o700);
  const state = await openState(
    places.state.engine === 'pglite'
      ? { engine: 'pglite', folder: join(folder, 'state') }
      : places.state,
  );
  whenStopping('state', () => state.stop());
  const store = await openStore(
    places.store.engine === 'duckdb'
      ? { engine: 'duckdb', file: join(folder, 'series.duckdb') }
      : { ...places.store, labelNumbers: createLabelRows(state.db) },
  );
  whenStopping('store', () => store.stop());
  const jobs = await openJobs(places.jobs, { state, log });
  whenStopping('jobs', () => jobs.stop());
  return { state, store, jobs };
};

const listen = async (
  app: App,
  at: { host: string; port: number },
  scheme: 'http' | 'https',
): Promise<string> => {
  await app.listen(at);
  const { port } = app.server.address() as AddressInfo;
  const host = at.host.includes(':') ? `[${at.host}]` : at.host;
  return `${scheme}://${host}:${port}`;
};

const bounded = async (name: string, stop: () => Promise<void> | void): Promise<void> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const message = `${name} did not stop within ${stopWithinMs} ms`;
    timer = setTimeout(() => reject(new Error(message)), stopWithinMs);
  });
  try {
    await Promise.race([Promise.resolve(stop()), late]);
  } finally {
    clearTimeout(timer);
  }
};
