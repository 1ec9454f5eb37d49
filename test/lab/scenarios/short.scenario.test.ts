import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { faults } from '../faults/catalogue.ts';
import { type Lab, raiseLab } from '../lab.ts';
import { twoSites } from '../topology/two-sites.ts';
import { type Arena, openArena } from './arena.ts';
import { allScenarios, shortList } from './list.ts';
import { chooseScenarios } from './report.ts';
import type { PairOutcome, ScenarioRow } from './scenario.ts';
import { sweep } from './sweep.ts';

/**
 * The real programs in a network with faults, held against the truth: who suffers is told the right
 * segment, and nobody else is told anything. One lab and one set of programs for all; the whole
 * sweep is `npm run scenarios`.
 */
const isRoot = process.getuid?.() === 0;

describe.runIf(isRoot)('in the lab (as root), the verdict is right and blames nobody else', () => {
  let lab: Lab;
  let arena: Arena;

  beforeAll(async () => {
    lab = await raiseLab({ topology: twoSites, name: `s${process.pid.toString(36)}` });
    arena = await openArena(lab);
  });

  afterAll(async () => {
    await arena?.stop();
    await lab?.down();
  });

  test.each(chooseScenarios(allScenarios(faults), shortList))('$name: $what', async (scenario) => {
    const { rows, notRun } = await sweep({
      scenarios: [scenario],
      arena,
      once: false,
      on: { started: ignore, ended: ignore, again: ignore, notRun: ignore },
      signal: new AbortController().signal,
    });
    expect(notRun).toEqual([]);
    expect(rows.flatMap(wrongs)).toEqual([]);
  });
});

const ignore = (): void => {};

/** A line for each pair that was not told what is true. */
const wrongs = ({ pairs }: ScenarioRow): string[] =>
  pairs
    .filter(
      ({ outcome, said }) => outcome !== 'right' && (outcome !== 'false alarm' || isLoud(said)),
    )
    .map(describeWrong);

/**
 * What would be told to people: failing, 100 ms, or slow three times in a row, as for incidents. One
 * verdict about 30 ms is what a neighbour on a shared CPU makes; the sweep's table has those too.
 */
const isLoud = (said: PairOutcome['said']): boolean =>
  said.some(
    ({ state, addedMs }, index) =>
      state === 'failing' ||
      (state === 'slow' && (addedMs ?? 0) >= 100) ||
      (index >= 2 && said.slice(index - 2, index + 1).every((each) => each.state === 'slow')),
  );

const describeWrong = ({ device, application, outcome, verdict }: PairOutcome): string =>
  `${device}/${application}: ${outcome}: ${verdict?.sentence ?? 'no verdict'}`;
