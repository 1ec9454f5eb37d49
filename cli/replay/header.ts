import { type Static, Type } from '@sinclair/typebox';
import type { DeviceFacts, Facts } from '#collector/diagnose/fleet/reading.ts';
import type { Names } from '#collector/diagnose/fold.ts';
import { closed, Slug, Text, Uuid } from '#contract/scalar.ts';

export const shortestBinSeconds = 1;
export const longestBinSeconds = 3_600;

/**
 * Optional first line of a recording: what people call the ids in it, and what is known of them
 * besides what they measure.
 */
export const ReplayHeader = Type.Object(
  {
    kind: Type.Literal('header'),
    version: Type.Literal(1),
    binSeconds: Type.Optional(
      Type.Integer({ minimum: shortestBinSeconds, maximum: longestBinSeconds }),
    ),
    applications: Type.Optional(
      Type.Array(Type.Object({ id: Slug, name: Type.Optional(Text(128)) }, closed)),
    ),
    devices: Type.Optional(
      Type.Array(
        Type.Object(
          {
            id: Uuid,
            name: Type.Optional(Text(128)),
            site: Type.Optional(Text(64)),
            asn: Type.Optional(Type.Integer({ minimum: 0, maximum: 4_294_967_295 })),
            region: Type.Optional(Text(64)),
            platform: Type.Optional(Text(64)),
            programVersion: Type.Optional(Text(64)),
            profile: Type.Optional(Text(64)),
          },
          closed,
        ),
      ),
    ),
    edges: Type.Optional(
      Type.Array(Type.Object({ id: Slug, name: Type.Optional(Text(128)) }, closed)),
    ),
  },
  closed,
);
export type ReplayHeader = Static<typeof ReplayHeader>;

export const factsOf = (header: ReplayHeader | undefined): Facts => ({
  devices: tableOf(header?.devices ?? []) as Record<string, DeviceFacts>,
  edges: tableOf(header?.edges ?? []),
  applications: tableOf(header?.applications ?? []),
});

export const namesOf = (header: ReplayHeader | undefined): Names => {
  const names = (rows: readonly { id: string; name?: string }[] = []) =>
    Object.fromEntries(rows.flatMap(({ id, name }) => (name === undefined ? [] : [[id, name]])));
  return {
    applications: names(header?.applications),
    devices: names(header?.devices),
    edges: names(header?.edges),
  };
};

const tableOf = <T extends { id: string }>(rows: readonly T[]): Record<string, Omit<T, 'id'>> =>
  Object.fromEntries(rows.map(({ id, ...facts }) => [id, facts]));
