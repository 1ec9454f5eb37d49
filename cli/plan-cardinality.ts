import type { Command } from 'commander';
import { fleetShapeOf } from '#collector/control/fleet-shape.ts';
import { checkOrganisation } from '#collector/control/organisation-check.ts';
import { seriesBudget, seriesOfFleet, seriesTagsOf } from '#collector/store/cardinality.ts';
import type { Measurement } from '#collector/store/schema.ts';
import { check, explain } from '#contract/check.ts';
import { Slug } from '#contract/scalar.ts';
import { ConfigError, readConfigFile } from '#runtime/config.ts';
import { UsageError } from './usage-error.ts';

const about = `
Counts as InfluxDB does: combinations of tags, once everything has happened: each probe on each edge and
on none, each application in use. Exit code 1: above the budget of ${seriesBudget.toLocaleString('en-US')} series, which a node holds well.`;

type Options = { config: string; devices: string; edges: string; json?: boolean };

export const registerPlan = (program: Command): void => {
  program
    .command('plan')
    .description('what a configuration will need, before it is applied')
    .command('cardinality')
    .description('the series that a fleet with this configuration makes in InfluxDB')
    .requiredOption(
      '--config <file>',
      'the organisation: YAML or JSON, as `whyslow apply` takes it',
    )
    .requiredOption('--devices <count>', 'how many')
    .option('--edges <count or names>', 'how many, or their names with commas between', '1')
    .option('--json', 'as JSON')
    .addHelpText('after', about)
    .action((options: Options) => {
      const counted = planCardinality(options);
      console.log(options.json === true ? JSON.stringify(counted, null, 2) : describe(counted));
      if (counted.totalCount > counted.budgetCount) process.exitCode = 1;
    });
};

type Cardinality = {
  deviceCount: number;
  edges: string[];
  measurements: { measurement: Measurement; tags: string[]; seriesCount: number }[];
  totalCount: number;
  budgetCount: number;
};

const planCardinality = (options: Options): Cardinality => {
  const checked = checkOrganisation(readConfigFile(options.config));
  if (!checked.ok) {
    throw new ConfigError(
      `${options.config} is not a whyslow configuration:\n${explain(checked.mistakes)}`,
    );
  }
  const deviceCount = countOf('--devices', options.devices);
  const edges = edgeNames(options.edges);
  const counts = seriesOfFleet(
    fleetShapeOf({ organisation: checked.value, deviceCount, edgeIds: edges }),
  );
  const measurements = Object.entries(counts).map(([name, seriesCount]) => {
    const measurement = name as Measurement;
    return { measurement, tags: seriesTagsOf(measurement), seriesCount };
  });
  const totalCount = measurements.reduce((sum, { seriesCount }) => sum + seriesCount, 0);
  return { deviceCount, edges, measurements, totalCount, budgetCount: seriesBudget };
};

const countOf = (option: string, text: string): number => {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new UsageError(`${option} ${text}: expected a whole number`);
};

const edgeNames = (text: string): string[] => {
  if (/^\d+$/.test(text)) {
    const count = countOf('--edges', text);
    if (count > 10_000) throw new UsageError(`--edges ${text}: at most 10000`);
    return Array.from({ length: count }, (_, i) => `edge-${i + 1}`);
  }
  const names = text.split(',').map((name) => name.trim());
  const wrong = names.find((name) => !check(Slug, name).ok);
  if (wrong !== undefined) throw new UsageError(`--edges: "${wrong}" is no name of an edge`);
  return [...new Set(names)];
};

const describe = ({ measurements, totalCount, budgetCount, ...fleet }: Cardinality): string => {
  const stored = measurements
    .filter(({ seriesCount }) => seriesCount > 0)
    .sort((a, b) => b.seriesCount - a.seriesCount);
  const row = (name: string, count: number, rest: string) =>
    `${name.padEnd(14)}${count.toLocaleString('en-US').padStart(12)}  ${rest}`;
  const [largest] = stored;
  const share = Math.round((totalCount / budgetCount) * 100);
  return [
    `${fleet.deviceCount.toLocaleString('en-US')} devices, ${fleet.edges.length} edges`,
    ...stored.map((one) => row(one.measurement, one.seriesCount, `by ${one.tags.join(', ')}`)),
    row('total', totalCount, `${share} % of ${budgetCount.toLocaleString('en-US')}`),
    ...(totalCount > budgetCount && largest !== undefined
      ? [
          `above the budget: ${largest.measurement} is the largest part, one series for each ${largest.tags.join(' and ')}`,
        ]
      : []),
  ].join('\n');
};
