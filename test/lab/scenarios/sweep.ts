import type { Arena } from './arena.ts';
import { NotCalm } from './calm.ts';
import { runScenario } from './run-scenario.ts';
import type { Scenario, ScenarioRow } from './scenario.ts';

export type SweepEvents = {
  started(scenario: Scenario, index: number, count: number): void;
  ended(row: ScenarioRow): void;
  again(scenario: Scenario, why: string): void;
  notRun(scenario: Scenario, error: Error): void;
};

export type SweepResult = {
  rows: ScenarioRow[];
  notRun: { scenario: string; error: string }[];
};

/**
 * Each verdict reads two hours of samples: the collector's share of the CPU grows with its history.
 * It starts anew before it takes a whole one.
 */
const scenariosPerLife = 15;

/**
 * Runs scenarios one after the other. One that went wrong on an overloaded machine is run once more;
 * when the network does not become calm, the programs are started afresh, once a scenario.
 */
export const sweep = async (parts: {
  scenarios: readonly Scenario[];
  arena: Arena;
  on: SweepEvents;
  /** No second run, however busy the machine was. */
  once: boolean;
  signal: AbortSignal;
}): Promise<SweepResult> => {
  const result: SweepResult = { rows: [], notRun: [] };
  const { arena } = parts;

  const run = async (scenario: Scenario): Promise<ScenarioRow> => {
    const options = { signal: parts.signal };
    try {
      await arena.prepare(scenario);
      return await runScenario(arena.stage(), scenario, options);
    } catch (error) {
      if (!(error instanceof NotCalm) || parts.signal.aborted) throw error;
      parts.on.again(scenario, `programs started afresh: ${error.message}`);
      await arena.renew();
      await arena.prepare(scenario);
      return runScenario(arena.stage(), scenario, options);
    }
  };

  for (const [index, scenario] of parts.scenarios.entries()) {
    if (parts.signal.aborted) break;
    parts.on.started(scenario, index, parts.scenarios.length);
    try {
      if (index > 0 && index % scenariosPerLife === 0) await arena.renew();
      let row = await run(scenario);
      if (!parts.once && row.outcome !== 'right' && row.overloaded && !parts.signal.aborted) {
        parts.on.again(scenario, `${row.outcome}, but the machine was overloaded`);
        row = { ...(await run(scenario)), firstOutcome: row.outcome };
      }
      if (parts.signal.aborted) break;
      result.rows.push(row);
      parts.on.ended(row);
    } catch (error) {
      if (parts.signal.aborted) break;
      result.notRun.push({ scenario: scenario.name, error: (error as Error).message });
      parts.on.notRun(scenario, error as Error);
    }
  }
  return result;
};
