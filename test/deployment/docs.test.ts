import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { AgentProgramConfig } from '#agent/config.ts';
import { CollectorProgramConfig } from '#collector/config.ts';
import { EdgeProgramConfig } from '#edge/config.ts';
import { enrolledVariables } from '#runtime/program.ts';
import { projectFolder } from './compose-files.ts';

const read = (path: string): string => readFileSync(join(projectFolder, path), 'utf8');

test.each([
  ['Collector', CollectorProgramConfig.properties, 'collector/config.ts'],
  ['Edge', EdgeProgramConfig.properties, 'edge/config.ts'],
  ['Agent', AgentProgramConfig.properties, 'agent/config.ts'],
])('the deployment page names every setting of the %s', (title, properties, source) => {
  const section = read('docs/deployment.md').split(`### ${title}\n`)[1]?.split('\n#')[0] ?? '';
  for (const key of Object.keys(properties)) expect(section).toMatch(new RegExp(`\`${key}[\`:]`));
  const variables = new Set([
    ...(read(source).match(/WHYSLOW_[A-Z_]+[A-Z]/g) ?? []),
    ...(title === 'Collector' ? [] : Object.values(enrolledVariables)),
  ]);
  expect(variables.size).toBeGreaterThan(4);
  for (const name of variables) {
    expect(section).toContain(name.replace(/^WHYSLOW_INFLUXDB(?=_(?!URL))/, ''));
  }
});
