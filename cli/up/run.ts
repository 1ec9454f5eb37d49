import { existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Organisation } from '#contract/organisation.ts';
import { sleep } from '#runtime/backoff.ts';
import { environment } from '#runtime/config.ts';
import { createLog } from '#runtime/log.ts';
import { createStopper, runUntilSignal } from '#runtime/service.ts';
import { type Api, createApi } from '../api.ts';
import { applyOrganisation, readOrganisation } from '../apply.ts';
import { makeToken } from '../token.ts';
import { UsageError } from '../usage-error.ts';
import { pickPort } from './ports.ts';
import { startSampleApplications } from './sample-applications.ts';
import { createScreen, type Screen } from './screen.ts';
import { openStateFolder, type StateFolder } from './state-folder.ts';
import { type Supervised, supervise } from './supervise.ts';
import { startTelling } from './tell.ts';
import { startWebhookListener } from './webhook-listener.ts';

export type UpOptions = {
  state: string;
  fresh?: boolean;
  temporary?: boolean;
  saas?: boolean;
  interval: number;
  port: number;
  proxyPort: number;
};

const inProject = (path: string): string =>
  fileURLToPath(new URL(`../../${path}`, import.meta.url));
const edgeIds = ['edge-a', 'edge-b'] as const;
const startedWithinMs = 60_000;

/** Starts everything, shows it, and stops it on Ctrl-C. */
export const runUp = async (options: UpOptions): Promise<void> => {
  const screen = createScreen();
  const log = createLog('up', 'warn', 2);
  await runUntilSignal(
    async () => {
      const stopper = createStopper(log);
      try {
        await startAll(options, screen, stopper);
      } catch (error) {
        await stopper.stop();
        throw error;
      }
      return {
        stop: async () => {
          screen.stopping();
          await stopper.stop();
          screen.stopped();
        },
      };
    },
    { log },
  );
};

type Stopper = ReturnType<typeof createStopper>;

/** Three runs of a probe in a bin: fewer say little, more make people wait. */
const binSecondsOf = (intervalSeconds: number): number =>
  Math.min(60, Math.max(5, Math.round(3 * intervalSeconds)));

const startAll = async (options: UpOptions, screen: Screen, stopper: Stopper): Promise<void> => {
  const state = openStateFolder({
    folder: options.state,
    temporary: options.temporary === true,
    fresh: options.fresh === true,
  });
  stopper.add('state folder', () => state.close());
  screen.starting(state.folder, options.temporary === true);

  const samples = await startSampleApplications({
    folder: state.path('sample-applications'),
    siteFolder: inProject('examples/site'),
    intervalSeconds: options.interval,
  });
  stopper.add('sample applications', samples.stop);

  const ports = await choosePorts(options);
  const webhooks = await startWebhookListener({
    port: ports.webhook,
    secret: state.webhookSecret(),
    onMessage: screen.webhook,
  });
  stopper.add('webhook listener', webhooks.stop);

  const programs: Supervised[] = [];
  // Until every address is known there is nothing to save.
  let saveRunning = (): void => {};
  const run = (name: string, subcommand: readonly string[], config: Record<string, unknown>) => {
    const program = supervise({
      name,
      arguments: [
        inProject('bin/whyslow.mjs'),
        ...subcommand,
        '--with-parent',
        '--config',
        state.writeConfig(name, config),
      ],
      logFile: state.path('logs', `${name}.log`),
      onChange: () => saveRunning(),
      onExit: (reason) => screen.restarting(name, reason, state.path('logs', `${name}.log`)),
    });
    programs.push(program);
    return program;
  };

  const collector = run('collector', ['collector'], {
    stateFolder: state.path('collector'),
    deviceListen: { host: '127.0.0.1', port: ports.device },
    operatorListen: { host: '127.0.0.1', port: ports.operator },
    diagnoseDelayMs: 200,
    diagnosis: { binSeconds: binSecondsOf(options.interval), shardBy: 'organisation' },
  });
  stopper.add('collector', collector.stop);
  const operatorUrl = `http://127.0.0.1:${ports.operator}`;
  const operatorToken = await waitForCollector(operatorUrl, state);
  const api = createApi(operatorUrl, operatorToken);

  await configure(api, {
    samples: samples.applications,
    saas: options.saas === true,
    webhook: { id: 'this-machine', url: webhooks.url, secret: state.webhookSecret() },
  });

  const deviceUrl = `https://127.0.0.1:${ports.device}`;
  const shared = { collectorUrl: deviceUrl, configIntervalMs: 2_000 };
  const edges: Supervised[] = [];
  stopper.add('edges', async () => {
    await Promise.all(edges.map((edge) => edge.stop()));
  });
  for (const [index, edgeId] of edgeIds.entries()) {
    const port = ports.edges[index] ?? 0;
    const edge = run(edgeId, ['edge'], {
      ...shared,
      stateFolder: state.path(edgeId),
      enrollmentToken: await tokenFor(api, 'edge', state.path(edgeId)),
      edgeId,
      location: 'this machine',
      listen: { host: '127.0.0.1', port },
      advertise: { host: '127.0.0.1', port },
    });
    edges.push(edge);
  }
  const agent = run('agent', ['agent', 'run'], {
    ...shared,
    stateFolder: state.path('agent'),
    enrollmentToken: await tokenFor(api, 'device', state.path('agent')),
    name: hostname(),
    listenHost: '127.0.0.1',
    proxyPort: ports.proxy,
    socksPort: ports.socks,
    extraCaFiles: [samples.caFile],
  });
  stopper.add('agent', agent.stop);

  saveRunning = () =>
    state.saveRunning({
      pid: process.pid,
      operatorUrl,
      operatorToken,
      deviceUrl,
      proxyPort: ports.proxy,
      socksPort: ports.socks,
      caFile: samples.caFile,
      exampleUrl: samples.exampleUrl,
      programs: Object.fromEntries(programs.map((program) => [program.name, program.pid()])),
    });
  saveRunning();

  screen.ready({
    pageUrl: `${operatorUrl}/enter?token=${operatorToken}`,
    proxyPort: ports.proxy,
    socksPort: ports.socks,
    caFile: samples.caFile,
    exampleUrl: samples.exampleUrl,
    slowName: samples.slowName,
    logFolder: state.path('logs'),
  });
  stopWithNpm();
  const telling = startTelling({ api, agentFolder: state.path('agent'), screen });
  stopper.add('telling', telling.stop);
};

/** `npm start` killed outright passes on no signal: without its npm this ends by itself. */
const stopWithNpm = (): void => {
  if (environment('npm_lifecycle_event') !== 'start') return;
  const npm = process.ppid;
  setInterval(() => {
    if (process.ppid !== npm) process.kill(process.pid, 'SIGTERM');
  }, 1_000).unref();
};

const choosePorts = async (options: UpOptions) => {
  const taken = new Set<number>();
  return {
    operator: await pickPort(options.port, taken),
    device: await pickPort(options.port + 1, taken),
    edges: [await pickPort(options.port + 2, taken), await pickPort(options.port + 3, taken)],
    webhook: await pickPort(options.port + 4, taken),
    proxy: await pickPort(options.proxyPort, taken),
    socks: await pickPort(options.proxyPort + 1, taken),
  };
};

/** The token that the collector wrote at its first start, once it answers. */
const waitForCollector = async (operatorUrl: string, state: StateFolder): Promise<string> => {
  const tokenFile = state.path('collector', 'operator-token');
  const deadline = performance.now() + startedWithinMs;
  while (performance.now() < deadline) {
    const answer = await fetch(`${operatorUrl}/readyz`).catch(() => undefined);
    if (answer?.ok && existsSync(tokenFile)) return readFileSync(tokenFile, 'utf8').trim();
    await sleep(100);
  }
  throw new UsageError(
    `the collector did not start within ${startedWithinMs / 1_000} s: see ${state.path('logs', 'collector.log')}`,
  );
};

/** Used at the first start only: afterwards the program has its identity. */
const tokenFor = async (api: Api, role: 'device' | 'edge', folder: string): Promise<string> => {
  const { token } = await makeToken(api, {
    role,
    uses: 1,
    hours: 1,
    note: `whyslow up: ${folder}`,
  });
  return token;
};

/** Keeps what a person applied; refreshes what an earlier `up` declared (ports may have changed). */
const configure = async (
  api: Api,
  wanted: {
    samples: Organisation['applications'];
    saas: boolean;
    webhook: NonNullable<Organisation['webhooks']>[number];
  },
): Promise<void> => {
  const saas = wanted.saas ? readOrganisation(inProject('examples/saas.yaml')).applications : [];
  const { document } = await api.call<{ document: Organisation }>('GET', '/v1/organisation');
  const ours = new Set([...wanted.samples, ...saas].map(({ id }) => id));
  await applyOrganisation(
    api,
    {
      sampleIntervalSeconds: 5,
      ...document,
      applications: [
        ...wanted.samples,
        ...saas,
        ...document.applications.filter(({ id }) => !ours.has(id)),
      ],
      webhooks: [
        wanted.webhook,
        ...(document.webhooks ?? []).filter(({ id }) => id !== wanted.webhook.id),
      ],
    },
    false,
  );
};
