import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { edgeServerName } from '#contract/enrollment.ts';
import type { DeviceConfig } from '#contract/policy.ts';
import { startEdge } from '#edge/edge.ts';
import { silentLog } from '#runtime/log.ts';
import { startPortal } from '#test/lab/services/portal.ts';
import { startCollectorEndpoint } from '#test/support/collector-endpoint.ts';
import { startNameServer } from '#test/support/name-server.ts';

/**
 * All that is beyond a device, as a process in a namespace of its own: NAMESPACE STATE_FOLDER. Takes
 * an order a line, answers each with a line of JSON.
 */
const [namespace = '', stateFolder = ''] = process.argv.slice(2);
const at = { gateway: '11.30.0.1', collector: '11.30.0.2', login: '11.30.0.3', app: '11.30.0.4' };

const endpoint = await startCollectorEndpoint({ host: at.collector });
await startNameServer(
  {
    'login.idp.test': { A: { data: [at.login] } },
    'app.test': { A: { data: [at.app] } },
  },
  { host: at.gateway, port: 53 },
);
const serve = (host: string, status: number, text: string) =>
  createServer((_, answer) => answer.writeHead(status).end(text)).listen(80, host);
serve(at.collector, 204, '');
serve(at.login, 200, 'log in');
serve(at.app, 200, 'the application');
serve('3ffe:30::4', 200, 'the application');
await startPortal({
  namespace,
  addresses: [at.gateway],
  name: 'gateway',
  role: 'gateway',
  allAddresses: [at.gateway],
  names: [],
});

const edgePort = 8443;
const configIntervalMs = 200;
await endpoint.setConfig({
  kind: 'edge-config',
  version: 1,
  revision: 'e1',
  issuedAt: Date.now(),
  edgeId: 'e1',
  access: [],
  // The application is at one of the edge's own addresses here.
  privateApplications: [
    { appId: 'app', hosts: ['app.test'], ports: [80], addresses: { 'app.test': at.app } },
  ],
  onward: [],
  revokedDevices: [],
  sampleIntervalMs: 1_000,
});
const raiseEdge = () =>
  startEdge(
    {
      stateFolder,
      collectorUrl: endpoint.url,
      enrollmentToken: endpoint.createToken(),
      edgeId: 'e1',
      location: 'here',
      listen: { host: at.gateway, port: edgePort },
      advertise: { host: at.gateway },
      configIntervalMs,
      drainMs: 0,
    },
    { log: silentLog() },
  );
let edge = await raiseEdge();

const deviceConfig = (
  deviceId: string,
  forwarding: Partial<DeviceConfig['forwarding']>,
): DeviceConfig => ({
  kind: 'device-config',
  version: 1,
  revision: `r-${Date.now()}`,
  issuedAt: Date.now(),
  deviceId,
  forwarding: {
    mode: 'tunnel',
    bypass: [],
    whenTunnelDown: 'open',
    pinnedEdge: '',
    ...forwarding,
  },
  edges: [
    {
      id: 'e1',
      host: at.gateway,
      port: edgePort,
      serverName: edgeServerName('e1'),
      location: 'here',
    },
  ],
  plan: { revision: 'none', probes: [] },
  captivePortalUrl: `http://${at.collector}/generate_204`,
  sampleIntervalMs: 1_000,
});

const orders: Record<string, (...given: string[]) => Promise<unknown>> = {
  token: async () => endpoint.createToken(),
  policy: async (deviceId = '', forwarding = '{}') =>
    endpoint.setConfig(deviceConfig(deviceId, JSON.parse(forwarding) as object)),
  events: async () => endpoint.stored().filter(({ kind }) => kind === 'event'),
  'edge-away': () => edge.stop(),
  'edge-back': async () => {
    edge = await raiseEdge();
  },
  // As the collector's identity check answers (collector/control/identity.ts).
  remove: async () => {
    const detail = 'device was revoked';
    for (const path of ['/v1/config', '/v1/ingest']) {
      endpoint.order(path, { status: 403, body: { title: 'identity refused', detail } }, 1e9);
    }
  },
  heal: async () => endpoint.heal(),
};

orders['url'] = async () => endpoint.url;
for await (const line of createInterface({ input: process.stdin.resume() })) {
  const [name = '', ...given] = JSON.parse(line) as string[];
  process.stdout.write(`${JSON.stringify((await orders[name]?.(...given)) ?? null)}\n`);
}
// Whoever gave the orders is gone.
process.exit(0);
