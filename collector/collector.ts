import { chmodSync, mkdirSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { certificateFingerprint } from '#runtime/certificates.ts';
import { systemClock } from '#runtime/clock.ts';
import type { Log } from '#runtime/log.ts';
import { createStopper } from '#runtime/service.ts';
import type { CollectorProgramConfig } from './config.ts';
import { createArtefactRows } from './control/artefact-rows.ts';
import { loadAuthority } from './control/authority.ts';
import { createBatchRows } from './control/batch-rows.ts';
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
import { createRunRequests } from './control/run-requests.ts';
import { createVerdictRows } from './control/verdict-rows.ts';
import { createDeviceListener } from './device-listener.ts';
import { createBinClock } from './fleet/bin-clock.ts';
import { createLateNotes } from './fleet/late.ts';
import type { App } from './http/app.ts';
import { startCertificateRenewal } from './http/listener-certificate.ts';
import { createDeclaredApplications } from './ingest/declared-applications.ts';
import { createIngest } from './ingest/ingest.ts';
import { openJobs } from './jobs/open.ts';
import { createOperatorListener } from './operator-listener.ts';
import { openState } from './state/open.ts';
import { openStore } from './store/open.ts';
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
  const engines = await openEngines(config, log, whenStopping);
  const { store, state, jobs } = engines;
  const authority = await loadAuthority(state.db, now());
  const operatorToken = await ensureFirstOperator(state.db, config.stateFolder, now());

  const fleet = createFleet(state.db);
  const organisations = createOrganisationVersions(state.db);
  const tokens = createEnrollmentTokens(state.db, certificateFingerprint(authority.certificatePem));
  const batches = createBatchRows(state.db);
  const verdicts = createVerdictRows(state.db);
  const deliveries = createDeliveryRows(state.db);
  const artefacts = createArtefactRows(state.db);
  const engineRows = createEngineRows(state.db);
  const fleetRows = createFleetRows(state.db);
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
  const device = await createDeviceListener({
    authority,
    listenHost: config.deviceListen.host,
    enrollment: createEnrollment({ db: state.db, authority, tokens, now }),
    fleet,
    configs,
    held,
    ingest: createIngest({
      store,
      batches,
      declaredApplications: createDeclaredApplications(organisations),
      runRequests,
      fleet,
      jobs,
      noteLate: createLateNotes(engineRows, clock),
      now,
      diagnoseDelayMs,
      log,
    }),
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
    runs: { runRequests, planOf: configs.planOf, held },
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
  const renewal = startCertificateRenewal(device.app, authority, {
    listenHost: config.deviceListen.host,
    now,
    onError: (error) => log.error({ component: 'http', err: error }, 'certificate not renewed'),
  });
  whenStopping('certificate renewal', renewal.stop);

  const pagesUrl = () => urls.pages;
  const records = { fleet, organisations, verdicts, deliveries, batches, artefacts, runRequests };
  const ofFleet = { fleetRows, engineRows, clock, shardBy: config.diagnosis.shardBy };
  const workers = startWorkers({ store, jobs, ...records, ...ofFleet, pagesUrl, now, log });
  whenStopping('workers', workers.stop);

  log.info({ component: 'collector', ...urls }, 'collector started');
  return {
    deviceUrl: urls.device,
    operatorUrl: urls.operator,
    ...(operatorToken === undefined ? {} : { operatorToken }),
    stop,
  };
};

const openEngines = async (
  config: CollectorProgramConfig,
  log: Log,
  whenStopping: WhenStopping,
) => {
  const folder = config.stateFolder;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // One that was there before keeps its mode: the CA's key lies in it.
  chmodSync(folder, 0o700);
  const state = await openState(
    config.state.engine === 'pglite'
      ? { engine: 'pglite', folder: join(folder, 'state') }
      : config.state,
  );
  whenStopping('state', () => state.stop());
  const store = await openStore(
    config.store.engine === 'duckdb'
      ? { engine: 'duckdb', file: join(folder, 'series.duckdb') }
      : config.store,
  );
  whenStopping('store', () => store.stop());
  const jobs = await openJobs(config.jobs, { state, log });
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
