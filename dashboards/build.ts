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

/** Grafana 11.0's. Newer ones migrate from it; 12.1 does not take the SDK's own, which is 12.2's. */
const schemaVersion = 39;

/** The classic (v1) JSON that Grafana's provisioning reads. */
export const render = (name: keyof typeof dashboards): string => {
  const dashboard = dashboards[name]().build();
  // The SDK puts every link into the menu that Grafana 12.3 folds away; without a place it is shown.
  const links = (dashboard.links ?? []).map(({ placement: _, ...link }) => link);
  const panels = (dashboard.panels ?? []).map((panel, index) => ({ id: index + 1, ...panel }));
  return `${JSON.stringify({ ...dashboard, schemaVersion, links, panels }, null, 2)}\n`;
};

export const generatedFolder = fileURLToPath(new URL('./generated', import.meta.url));

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(generatedFolder, { recursive: true });
  for (const name of Object.keys(dashboards) as (keyof typeof dashboards)[]) {
    writeFileSync(join(generatedFolder, `${name}.json`), render(name));
    console.log(`${name}.json`);
  }
}
