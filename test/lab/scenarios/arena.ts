import { sleep } from '#runtime/backoff.ts';
import { clearFaults, setFaults } from '../faults/apply.ts';
import { faults as catalogue } from '../faults/catalogue.ts';
import { clockEnvironment } from '../faults/clock.ts';
import type { Lab } from '../lab.ts';
import { stopAllPrograms } from '../programs/launch.ts';
import { labOrganisation, type OrganisationOptions } from '../programs/organisation.ts';
import { type Programs, startPrograms } from '../programs/programs.ts';
import type { Scenario } from './scenario.ts';
import { createStage, type FaultControl, type Stage } from './stage.ts';

/**
 * What is watched between faults that need nothing else. At one request a second each, collector and
 * shim take so much of two cores that the lab measures itself (docs/lab.md).
 */
const usual: OrganisationOptions = { intervalSeconds: 2, pathIntervalSeconds: 5 };

/** Page loads for the scenarios about pages only: four browsers at once need the CPU for themselves. */
const withPages: OrganisationOptions = { ...usual, pageIntervalSeconds: 10 };
/** Five loads make a page's normal, and each device has its own offset within the interval. */
const pagesKnownMs = 75_000;

/** The near edge: nearest to every device of the lab while nothing is wrong. */
const homeEdge = 'e1';

/** Long enough for the slowest first start of seven programs on two busy cores. */
const firstCalmMs = 180_000;

/** One lab with one set of programs, for any number of scenarios. */
export type Arena = {
  stage(): Stage;
  /** Ends all programs and starts them without what they knew. */
  renew(): Promise<void>;
  /** What a scenario needs beyond the usual: page loads, a clock that can be stepped. */
  prepare(scenario: Scenario): Promise<void>;
  stop(): Promise<void>;
};

export const openArena = async (
  lab: Lab,
  /** Told the lab's folder each time the programs have ended, before what they stored is forgotten. */
  onEnded: (labFolder: string) => void = () => {},
): Promise<Arena> => {
  const faults: FaultControl = {
    catalogue,
    set: (names) => setFaults(lab, names),
    clear: () => clearFaults(lab),
  };
  let programs: Programs | undefined;
  let stage: Stage;
  let plan = usual;
  let dressed: readonly string[] = [];

  const end = async (): Promise<void> => {
    if (programs === undefined) return;
    await programs.stop();
    programs = undefined;
    onEnded(lab.folder);
  };

  const begin = async (): Promise<void> => {
    await faults.clear();
    plan = usual;
    dressed = [];
    await end();
    const started = await startPrograms(lab, usual);
    programs = started;
    stage = await createStage({
      lab,
      programs,
      faults,
      homeEdge,
      pin: (pinnedEdge) => started.apply(labOrganisation(lab.topology, { ...plan, pinnedEdge })),
    });
    await stage.calm(Date.now(), firstCalmMs);
  };

  const follow = async (wanted: OrganisationOptions): Promise<void> => {
    if (wanted === plan) return;
    plan = wanted;
    await programs?.apply(labOrganisation(lab.topology, wanted));
    if (wanted.pageIntervalSeconds !== undefined) await sleep(pagesKnownMs);
  };

  /** Each program runs with a clock that can be stepped exactly while its scenario does. */
  const dress = async (wanted: readonly string[]): Promise<void> => {
    for (const name of dressed.filter((each) => !wanted.includes(each))) {
      await programs?.restart(name);
    }
    for (const name of wanted.filter((each) => !dressed.includes(each))) {
      await programs?.restart(name, clockEnvironment(lab.folder, name));
    }
    dressed = wanted;
  };

  await begin().catch(async (error: unknown) => {
    await stopAllPrograms(lab.folder);
    throw error;
  });
  return {
    stage: () => stage,
    renew: begin,
    async prepare(scenario) {
      await follow(scenario.pages === true ? withPages : usual);
      await dress(steppedPrograms(faults, scenario));
    },
    stop: end,
  };
};

const steppedPrograms = ({ catalogue }: FaultControl, { faults }: Scenario): string[] =>
  catalogue
    .filter(({ name }) => faults.includes(name))
    .flatMap(({ actions }) => actions)
    .flatMap((action) =>
      action.do === 'program' && action.effect === 'clock-step' ? [action.program] : [],
    );
