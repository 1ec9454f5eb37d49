import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { applicationDashboard } from './application.ts';
import { deviceDashboard } from './device.ts';
import { edgesDashboard } from './edges.ts';

/** Every dashboard, by the name of its generated file. */
export const dashboards = {
  application: applicationDashboard,
  device: deviceDashboard,
  edges: edgesDashboard,
} as const;

/** The classic (v1) JSON that Grafana's provisioning reads. */
export const render = (name: keyof typeof dashboards): string =>
  `${JSON.stringify(dashboards[name]().build(), null, 2)}\n`;

export const generatedFolder = fileURLToPath(new URL('./generated', import.meta.url));

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(generatedFolder, { recursive: true });
  for (const name of Object.keys(dashboards) as (keyof typeof dashboards)[]) {
    writeFileSync(join(generatedFolder, `${name}.json`), render(name));
    console.log(`${name}.json`);
  }
}
