import type { CauseElement } from '#contract/verdict.ts';
import { atMost, sayCount } from '../../wording.ts';
import type { BinView, DeviceView } from '../bin-view.ts';
import { withNames } from '../marked-ids.ts';
import type { Facts } from '../reading.ts';

/** What people call the ids in a sentence; an id that nobody named is its own name. */
export type Names = {
  device(id: string): string;
  application(id: string): string;
  /** With the word before it: "edge Amsterdam". */
  edge(id: string): string;
  /** "site berlin", or of one that nobody named "the site of LAPTOP-7 and 11 others". */
  site(id: string): string;
  /** Words of a cause, with what people call its applications and edges. */
  inText(words: string): string;
  inElement(element: CauseElement): CauseElement;
};

const longestName = 300;

export const namesOf = (facts: Facts, view: BinView): Names => {
  const application = (id: string): string => named(facts.applications, id);
  const edge = (id: string): string => {
    const name = named(facts.edges, id);
    // One that people call "Edge 5" is not "edge Edge 5".
    return id === '' ? 'the edge' : /^Edge\b/.test(name) ? name : `edge ${name}`;
  };
  const device = (id: string): string => named(facts.devices, id);
  let membersBySite: ReadonlyMap<string, readonly DeviceView[]> | undefined;
  const site = (id: string): string => {
    membersBySite ??= bySite(view);
    const members = membersBySite.get(id) ?? [];
    if (members.length === 0 || members.some((one) => one.facts.site === id)) return `site ${id}`;
    const ids = members.map(({ deviceId }) => deviceId);
    const called = ids
      .filter((each) => device(each) !== each)
      .map(device)
      .sort();
    const others = ids.length - 1;
    return `the site of ${called[0] ?? ids[0]}${others === 0 ? '' : ` and ${sayCount(others, 'other')}`}`;
  };
  const inText = (words: string): string => withNames(words, { application, edge, site });
  return {
    application,
    device,
    edge,
    site,
    inText,
    inElement: (element) => ({ ...element, name: atMost(longestName, inText(element.name)) }),
  };
};

const bySite = (view: BinView): ReadonlyMap<string, readonly DeviceView[]> => {
  const members = new Map<string, DeviceView[]>();
  for (const index of view.active) {
    const device = view.device(index);
    if (device.siteId === undefined) continue;
    const known = members.get(device.siteId);
    if (known === undefined) members.set(device.siteId, [device]);
    else known.push(device);
  }
  return members;
};

const named = (known: Readonly<Record<string, { name?: string }>>, id: string): string =>
  (Object.hasOwn(known, id) ? known[id]?.name : undefined) ?? id;
