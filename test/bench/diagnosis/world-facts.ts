import type { Facts } from '#collector/diagnose/fleet/reading.ts';
import type { TelemetryRecord } from '#contract/telemetry.ts';
import type { World } from '#test/simulator/world.ts';
import type { Networks } from './scoring/segments.ts';

/** What an organisation knows of its fleet: the header of a recording. */
export const factsOf = ({ header }: World): Facts => ({
  devices: Object.fromEntries(header.devices.map(({ id, ...facts }) => [id, facts])),
  edges: Object.fromEntries(header.edges.map(({ id, name }) => [id, { name }])),
  applications: Object.fromEntries(header.applications.map(({ id, name }) => [id, { name }])),
});

export type Pair = { deviceId: string; appId: string };

export const pairsOf = ({ population, topology }: World): Pair[] =>
  population.devices.flatMap(({ id, uses }) =>
    uses.flatMap(({ appIndex }) => {
      const appId = topology.applications[appIndex]?.id;
      return appId === undefined ? [] : [{ deviceId: id, appId }];
    }),
  );

/** Whose network an address is in, by what traces said. */
export const createNetworks = ({
  header,
}: World): Networks & {
  learn(records: readonly TelemetryRecord[]): void;
} => {
  const asns = new Map<string, number>();
  return {
    accessAsns: new Set(header.devices.map(({ asn }) => asn)),
    asnOf: (address) => asns.get(address) ?? null,
    learn: (records) => {
      for (const record of records) {
        for (const { address, asn } of hopsOf(record))
          if (address !== null && asn !== null && asn !== undefined) asns.set(address, asn);
      }
    },
  };
};

const hopsOf = (record: TelemetryRecord) => {
  if (record.kind === 'onward') return record.path?.hops ?? [];
  return record.kind === 'result' && record.type === 'path' ? record.body.hops : [];
};
