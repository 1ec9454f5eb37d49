import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { agentConfig } from '#test/support/agent-config.ts';
import { collectorHands } from '#test/support/collector-lab.ts';
import { freePort, makeFolder, removeFolder } from '#test/support/server-process.ts';
import { startBalancer } from './balancer.ts';
import { createDevice, noIds } from './devices.ts';
import { superviseProgram, waitUntilUp } from './member.ts';
import { startServers } from './servers.ts';

/** Everything that can be killed: engines, two collectors behind a balancer, devices, an agent, an edge. */
export const startWorld = async (options: { devices: number; everyMs: number }) => {
  const folder = makeFolder('chaos');
  const servers = await startServers();
  const ports = await Promise.all([1, 2, 3, 4].map(freePort));
  const balancer = await startBalancer(ports.slice(0, 2));
  const origin = createServer((_request, response) => response.end('here'));
  await new Promise<void>((resolve) => {
    origin.listen(0, '127.0.0.1', resolve);
  });
  let operatorToken = '';
  const collectors = ['collector-1', 'collector-2'].map((name, at) =>
    superviseProgram({
      name,
      file: 'test/support/collector-child.ts',
      args: () => [
        join(folder, name),
        '500',
        JSON.stringify({
          ...servers.config,
          deviceListen: { host: '127.0.0.1', port: ports[at] },
          operatorListen: { host: '127.0.0.1', port: ports[2 + at] },
        }),
      ],
      onLine: (line) => {
        const said = JSON.parse(line) as { operatorToken?: string };
        operatorToken = said.operatorToken ?? operatorToken;
        return true;
      },
    }),
  );
  for (const collector of collectors) {
    await collector.start();
    await waitUntilUp([collector], 60_000);
  }
  const hands = collectorHands({
    deviceUrl: balancer.url,
    operatorUrl: `http://127.0.0.1:${ports[2]}`,
    operatorToken,
  });
  await hands.operator('/v1/organisation', {
    method: 'PUT',
    body: organisationWith((origin.address() as AddressInfo).port),
  });

  const ids = noIds();
  const devices = await Promise.all(
    Array.from({ length: options.devices }, async (_, at) =>
      createDevice({
        name: `device-${at + 1}`,
        folder: join(folder, `device-${at + 1}`),
        collectorUrl: balancer.url,
        token: await hands.makeToken({ role: 'device' }),
        everyMs: options.everyMs,
        ids,
      }),
    ),
  );
  const program = (name: string, file: string, config: object) => {
    mkdirSync(join(folder, name));
    const path = join(folder, `${name}.yaml`);
    writeFileSync(path, JSON.stringify(config));
    return superviseProgram({
      name,
      file,
      args: () => ['--config', path],
      onLine: () => false,
      upAfterMs: 2_000,
    });
  };
  const edge = program('edge', join(import.meta.dirname, 'run-edge.ts'), {
    stateFolder: join(folder, 'edge'),
    collectorUrl: balancer.url,
    enrollmentToken: await hands.makeToken({ role: 'edge' }),
    edgeId: 'fra-1',
    location: 'Frankfurt',
    listen: { host: '127.0.0.1', port: 0 },
    advertise: { host: '127.0.0.1' },
    configIntervalMs: 1_000,
  });
  const agent = program(
    'agent',
    'test/support/run-agent.ts',
    agentConfig(
      {
        stateFolder: join(folder, 'agent'),
        collectorUrl: balancer.url,
        enrollmentToken: await hands.makeToken({ role: 'device' }),
      },
      { name: 'chaos-agent', configIntervalMs: 1_000 },
    ),
  );
  const programs = [...collectors, ...devices, edge, agent];
  for (const one of [...devices, edge, agent]) await one.start();
  await waitUntilUp(programs, 60_000);

  return {
    servers,
    originUrl: `http://127.0.0.1:${(origin.address() as AddressInfo).port}/`,
    balancer,
    devices,
    agent,
    hands,
    ids,
    members: [...servers.members, ...programs],
    async stop(): Promise<void> {
      await Promise.allSettled(programs.map((one) => one.kill()));
      for (const one of programs) one.forget();
      balancer.stop();
      origin.close();
      await servers.stop();
      removeFolder(folder);
    },
  };
};

export type World = Awaited<ReturnType<typeof startWorld>>;

/** `crm` is what the devices invent results of; `here` is what the agent asks, once a second. */
const organisationWith = (originPort: number) => ({
  version: 1,
  applications: [
    { id: 'crm', name: 'CRM', hosts: [], probes: [] },
    {
      id: 'here',
      name: 'Here',
      hosts: ['127.0.0.1'],
      probes: [
        {
          type: 'http',
          url: `http://127.0.0.1:${originPort}/`,
          intervalSeconds: 1,
          timeoutSeconds: 1,
          via: 'direct',
        },
      ],
    },
  ],
});
