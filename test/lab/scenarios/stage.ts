import type { Verdict } from '#contract/verdict.ts';
import type { Fault } from '../faults/fault.ts';
import type { Lab } from '../lab.ts';
import { applicationServers } from '../programs/organisation.ts';
import type { Programs } from '../programs/programs.ts';
import { waitForCalm } from './calm.ts';
import type { NamesOf } from './compare.ts';
import type { Pair } from './scenario.ts';
import { type Past, readPast, readVerdicts } from './watch.ts';

/** How faults get into the lab and out of it. */
export type FaultControl = {
  catalogue: readonly Fault[];
  set(names: readonly string[]): Promise<void>;
  clear(): Promise<void>;
};

/** A lab with the programs in it, as scenarios see it. */
export type Stage = {
  lab: Lab;
  programs: Programs;
  faults: FaultControl;
  pairs: readonly Pair[];
  namesOf: NamesOf;
  read(): Promise<Map<string, Verdict>>;
  /** What incidents say, of which nothing else may be left. */
  readPast(): Promise<Past[]>;
  /** Waits until nothing but `ok` is said of times after `since`. */
  calm(since: number, timeoutMs?: number): Promise<Map<string, Verdict>>;
};

/** Programs that were cut off or hung need their time to come back; a busy machine, too. */
const calmWithinMs = 90_000;

export const createStage = async (parts: {
  lab: Lab;
  programs: Programs;
  faults: FaultControl;
  /** Where all devices are when nothing is wrong. */
  homeEdge: string;
  /** Leads every device to an edge; '' leaves it to them again. */
  pin: (edgeId: string) => Promise<void>;
}): Promise<Stage> => {
  const { lab, programs, faults, homeEdge, pin } = parts;
  const devices = Object.entries(await programs.deviceIds());
  const deviceNames = new Map(devices.map(([name, id]) => [id, name]));
  const applications = applicationServers(lab.topology);
  const pairs = [...deviceNames.values()]
    .sort()
    .flatMap((device) => applications.map(({ id }) => ({ device, application: id })));
  const read = () => readVerdicts(programs, deviceNames);
  return {
    lab,
    programs,
    faults,
    pairs,
    namesOf: createNamesOf(lab, applications),
    read,
    readPast: () => readPast(programs, deviceNames),
    async calm(since, timeoutMs = calmWithinMs) {
      let isPinned = false;
      // An agent rests for five minutes between two changes of edge: it is led back by policy.
      const bringHome = async () => {
        isPinned = true;
        await pin(homeEdge);
      };
      try {
        return await waitForCalm({ read, pairs, since, homeEdge, bringHome, timeoutMs });
      } finally {
        if (isPinned) await pin('');
      }
    },
  };
};

/**
 * A node is named by an address, a host name or what people call it; a link by either end. Who the
 * sentence is about counts too: "CRM … its server" names the CRM's server.
 */
const createNamesOf =
  (lab: Lab, applications: readonly { id: string; node: { name: string } }[]): NamesOf =>
  (element, about) =>
    element.split('-').flatMap((name) => {
      const node = lab.topology.nodes.find((each) => each.name === name);
      if (!node) return [];
      const isSubject = applications.some(
        ({ id, node: server }) => server.name === name && id === about.appId,
      );
      const ofOrigin = about.segment === 'server' || about.segment === 'tls';
      return [
        ...lab.addressesOf(name),
        ...(node.names ?? []),
        node.what,
        // Every sentence has the device's name: it names the device, not its link.
        ...(node.role === 'edge' || (node.role === 'device' && element === name) ? [name] : []),
        ...(isSubject && ofOrigin ? [about.appId] : []),
      ].filter((text) => text !== '');
    });
