import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyRequest } from 'fastify';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { readAgentConfig } from '#agent/config.ts';
import { readOrganisation } from '#cli/apply.ts';
import { readCollectorConfig } from '#collector/config.ts';
import { createHostCheck } from '#collector/http/host-check.ts';
import { readEdgeConfig } from '#edge/config.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';
import {
  type ComposeFile,
  projectFolder,
  readComposeFile,
  readExampleEnvironment,
} from './compose-files.ts';
import { installed } from './installed.ts';

const example = (name: string): string => join(projectFolder, 'examples/compose', name);
const dockerCompose = installed('docker-compose', 'docker-compose');

describe('docker-compose.yml', () => {
  test.skipIf(!dockerCompose)('is accepted by docker-compose with example.env', () => {
    const text = execFileSync(
      dockerCompose ?? '',
      ['--env-file', example('example.env'), '-f', 'docker-compose.yml', 'config'],
      { cwd: projectFolder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const { services } = parse(text) as ComposeFile;
    expect(Object.keys(services).sort()).toEqual([
      'agent',
      'application',
      'collector',
      'edge',
      'grafana',
      'influxdb',
      'postgres',
      'prepare',
      'redis',
    ]);
    expect(text).not.toMatch(/\$\{/);
    expect(services['collector']?.environment?.['WHYSLOW_POSTGRES_URL']).toBe(
      'postgres://whyslow:change-me-postgres@postgres:5432/whyslow',
    );
  });

  test.skipIf(!dockerCompose)('is refused while a secret is not set', async () => {
    const empty = join(await makeTemporaryFolder(), 'empty.env');
    writeFileSync(empty, '');
    const config = () =>
      execFileSync(
        dockerCompose ?? '',
        ['--env-file', empty, '-f', 'docker-compose.yml', 'config'],
        {
          cwd: projectFolder,
          stdio: 'pipe',
        },
      );
    expect(config).toThrow(/copy examples\/compose\/example\.env to \.env/);
  });

  test('mounts only files and folders that exist, and publishes nothing but the devices’ port', () => {
    for (const [name, { volumes = [], ports = [] }] of Object.entries(readComposeFile().services)) {
      for (const [from = ''] of volumes.map((volume) => volume.split(':'))) {
        if (from.startsWith('.')) expect(existsSync(join(projectFolder, from)), from).toBe(true);
        else expect(Object.keys(readComposeFile().volumes), name).toContain(from);
      }
      for (const port of ports) expect(port, name).toMatch(/^127\.0\.0\.1:|^8421:8421$/);
    }
  });
});

describe('the config files of docker-compose.yml', () => {
  test('the collector takes its file, and its engines from the environment', () => {
    const given = readComposeFile().services['collector']?.environment ?? {};
    const values = readExampleEnvironment();
    const environment = (name: string) =>
      given[name]?.replaceAll(/\$\{(\w+)\}/g, (_, key: string) => values[key] ?? '');
    const config = readCollectorConfig(example('collector.yaml'), environment);
    expect(config).toMatchObject({
      store: {
        engine: 'influxdb',
        url: 'http://influxdb:8086',
        database: 'whyslow',
        token: 'change-me-influxdb-token',
      },
      state: { engine: 'postgres', url: expect.stringContaining('@postgres:5432/whyslow') },
      jobs: { engine: 'bullmq', redisUrl: 'redis://redis:6379' },
    });
  });

  test.each(['collector:8420', '127.0.0.1:8420', 'localhost:8420'])(
    'the collector answers to the name %s',
    async (host) => {
      const { operatorListen, publicUrl } = readCollectorConfig(example('collector.yaml'));
      const hostCheck = createHostCheck({ listenHost: operatorListen.host, publicUrl });
      const request = { headers: { host } } as FastifyRequest;
      await expect(hostCheck(request)).resolves.toBeUndefined();
    },
  );

  test('edge and agent take theirs: one collector, tokens where prepare leaves them', () => {
    const edge = readEdgeConfig(example('edge.yaml'));
    const agent = readAgentConfig(example('agent.yaml'));
    const { deviceListen } = readCollectorConfig(example('collector.yaml'));
    for (const { collectorUrl } of [edge, agent]) {
      expect(collectorUrl).toBe(`https://collector:${deviceListen.port}`);
    }
    const [script = ''] = readComposeFile().services['prepare']?.command ?? [];
    expect(script).toContain(
      `whyslow token --role edge --note compose > ${edge.enrollmentTokenFile}`,
    );
    expect(script).toContain(
      `whyslow token --role device --note compose > ${agent.enrollmentTokenFile}`,
    );
    expect(edge.advertise).toEqual({ host: 'edge', port: edge.listen.port });
  });

  test('the organisation is one whyslow apply takes', () => {
    expect(readOrganisation(example('organisation.yaml')).applications[0]?.id).toBe('sample');
  });
});
