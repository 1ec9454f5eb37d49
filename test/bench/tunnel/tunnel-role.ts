/** Edge or agent of the bench: the product's own parts, without a collector. */
import { readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { defaultLimits } from '#edge/device-limits.ts';
import type { IpForwardingConfig } from '#edge/ip/config.ts';
import { startEdgeServer } from '#edge/server.ts';
import type { Identity } from '#runtime/identity.ts';
import { silentLog } from '#runtime/log.ts';
import { emptyPolicy } from '#test/support/edge-lab.ts';
import { type AgentSettings, startAgentOfBench } from './agent-of-bench.ts';
import { capturedAddress } from './way.ts';

type EdgeSettings = {
  role: 'edge';
  certificate: Identity;
  listen: { host: string; port: number };
  originAddress: string;
  ipForwarding?: IpForwardingConfig;
};

const startEdge = async (settings: EdgeSettings) => {
  const { certificate, listen, originAddress, ipForwarding } = settings;
  const server = await startEdgeServer({
    edgeId: certificate.id,
    listen,
    certificate,
    ...(ipForwarding ? { ipForwarding, carryAllPackets: true } : {}),
    limits: unlimited,
    log: silentLog(),
  });
  server.setPolicy({
    ...emptyPolicy(certificate.id),
    privateApplications: [
      {
        appId: 'bench',
        // The address is for captured connections, which need one.
        hosts: ['.bench.test', capturedAddress],
        ports: [],
        addresses: { 'bench.test': originAddress, [capturedAddress]: originAddress },
      },
    ],
  });
  return {
    first: { port: server.address.port },
    answer: async () => server.takeSample(),
    drain: () => server.stop(30_000),
  };
};

const startAgent = async (settings: AgentSettings) => {
  const { tunnel, proxyPort } = await startAgentOfBench(settings);
  return {
    first: { port: proxyPort },
    answer: async () => ({ ...tunnel.takeSample(), status: tunnel.status() }),
    drain: () => tunnel.stop(),
  };
};

/** What is left once garbage is collected: memory in use and open descriptors. */
const atRest = () => {
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  return {
    heldBytes: heapUsed + external,
    residentBytes: rss,
    descriptorCount: readdirSync('/proc/self/fd').length,
  };
};

/** One device stands for many here. */
const unlimited = {
  ...defaultLimits,
  concurrentFlows: 20_000,
  flowsPerSecond: 100_000,
  flowBurst: 100_000,
  namesPerSecond: 100_000,
  nameBurst: 100_000,
};

const settings = JSON.parse(process.argv[2] ?? '{}') as
  | EdgeSettings
  | (AgentSettings & { role: 'agent' });
const role = settings.role === 'edge' ? await startEdge(settings) : await startAgent(settings);
console.log(JSON.stringify(role.first));
for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line) as { do?: 'rest' | 'drain' };
  if (question.do === 'drain') {
    await role.drain();
    break;
  }
  console.log(JSON.stringify(question.do === 'rest' ? atRest() : await role.answer()));
}
process.exit(0);
