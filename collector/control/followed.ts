import { destinationOfUrl } from '#contract/authority.ts';
import type { Mistake } from '#contract/check.ts';
import type { ProbeSpec } from '#contract/organisation.ts';
import type { NamedProbe } from './probe-ids.ts';

type PathSpec = Extract<ProbeSpec, { type: 'path' }>;
export type Followed = { host: string; port: number; follow: string[] };

/** What a path probe follows: host and port of the HTTP probe's URL, and its lines of the plan. */
export const followedBy = (spec: PathSpec, named: readonly NamedProbe[]): Followed | undefined => {
  const followed = named.find(({ id, spec: { type } }) => type === 'http' && id === spec.follow);
  if (followed === undefined || followed.spec.type !== 'http') return undefined;
  if (!URL.canParse(followed.spec.url)) return undefined;
  const { host, port } = destinationOfUrl(new URL(followed.spec.url));
  // Traces go straight from the device: the address it used itself comes before the edge's.
  const ways = [...followed.ways].sort((a, b) => a.via.localeCompare(b.via));
  return {
    host,
    port: spec.port ?? port,
    follow: ways.map(({ planId }) => planId),
  };
};

/** A path probe needs a target of its own, or one to follow. */
export const checkFollowed = (named: readonly NamedProbe[], pointer: string): Mistake[] =>
  named.flatMap(({ spec }, index) => {
    if (spec.type !== 'path') return [];
    if (spec.follow === undefined) {
      const message = 'give the path’s host, or the HTTP probe to follow';
      return spec.host === undefined ? [{ pointer: `${pointer}/${index}/host`, message }] : [];
    }
    if (followedBy(spec, named) !== undefined) return [];
    const message = `“${spec.follow}” is the id of no HTTP probe of this application`;
    return [{ pointer: `${pointer}/${index}/follow`, message }];
  });
