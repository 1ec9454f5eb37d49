import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { startAgent } from '#agent/agent.ts';
import type { Result } from '#contract/result.ts';
import { silentLog } from '#runtime/log.ts';
import { agentConfig } from '#test/support/agent-config.ts';
import { startCollectorEndpoint } from '#test/support/collector-endpoint.ts';
import { makeFolder, removeFolder } from '#test/support/server-process.ts';
import { waitUntil } from '#test/support/wait-until.ts';
import { pathProbe } from './path-probe.ts';

/**
 * A real agent and what it reports to, in the namespace this is run in, whose default route comes and
 * goes while paths are traced: `run-moving-agent.ts ADDRESS ROUTE` prints the results of the path.
 */
const [target = '', ...route] = process.argv.slice(2);
const collector = await startCollectorEndpoint();
const stateFolder = makeFolder('moving-agent');
const agent = await startAgent(
  agentConfig({
    stateFolder,
    collectorUrl: collector.url,
    enrollmentToken: collector.createToken(),
  }),
  { log: silentLog() },
);
const probe = pathProbe(target, { packetCount: 8, intervalMs: 2_000, timeoutMs: 5_000 });
await collector.setConfig({
  kind: 'device-config',
  version: 1,
  revision: 'r1',
  issuedAt: Date.now(),
  deviceId: agent.deviceId,
  forwarding: { mode: 'off', bypass: [], whenTunnelDown: 'closed', pinnedEdge: '' },
  edges: [],
  plan: { revision: 'r1', probes: [probe] },
  captivePortalUrl: '',
  sampleIntervalMs: 60_000,
});
const paths = () => collector.stored().filter((one): one is Result => one.kind === 'result');
const hasChanged = () => paths().some(({ failure }) => failure?.type === 'path.network_changed');
await waitUntil(() => paths().length > 0);
// It goes once a run has begun; where that was not the path's own echo, it is tried again.
for (let attempt = 0; attempt < 10 && !hasChanged(); attempt += 1) {
  const before = echoesSent();
  await waitUntil(() => echoesSent() > before);
  await wait(200);
  spawnSync('ip', ['-4', 'route', 'del', ...route]);
  await waitUntil(hasChanged, 6_000).catch(() => {});
  spawnSync('ip', ['-4', 'route', 'replace', ...route]);
}
process.stdout.write(JSON.stringify(paths()));
await agent.stop();
await collector.stop();
removeFolder(stateFolder);
process.exit(0);

/** Of this namespace, by whichever socket (proc(5), net/snmp). */
function echoesSent(): number {
  const [names = [], values = []] = readFileSync('/proc/net/snmp', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('Icmp:'))
    .map((line) => line.split(' '));
  return Number(values[names.indexOf('OutEchos')]);
}
