import { NotCalm } from './calm.ts';
import { runScenario } from './run-scenario.ts';
import type { Scenario, ScenarioRow } from './scenario.ts';
import type { Stage } from './stage.ts';

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
 * Runs scenarios one after the other. One that went wrong on an overloaded machine is run once more;
 * when the network does not become calm, the programs are started afresh, once a scenario.
 */
export const sweep = async (parts: {
  scenarios: readonly Scenario[];
  stage: Stage;
  /** Starts all programs anew, without what they know. */
  renew: () => Promise<Stage>;
  /** Brings the programs into the form this scenario needs. */
  prepare: (scenario: Scenario) => Promise<void>;
  on: SweepEvents;
  signal: AbortSignal;
}): Promise<SweepResult> => {
  const result: SweepResult = { rows: [], notRun: [] };
  let { stage } = parts;

  const run = async (scenario: Scenario, attempt: number): Promise<ScenarioRow> => {
    const options = { attempt, signal: parts.signal };
    try {
      await parts.prepare(scenario);
      return await runScenario(stage, scenario, options);
    } catch (error) {
      if (!(error instanceof NotCalm) || parts.signal.aborted) throw error;
      parts.on.again(scenario, `programs started afresh: ${error.message}`);
      stage = await parts.renew();
      await parts.prepare(scenario);
      return runScenario(stage, scenario, options);
    }
  };

  for (const [index, scenario] of parts.scenarios.entries()) {
    if (parts.signal.aborted) break;
    parts.on.started(scenario, index, parts.scenarios.length);
    try {
      let row = await run(scenario, 1);
      if (row.outcome !== 'right' && row.overloaded && !parts.signal.aborted) {
        parts.on.again(scenario, `${row.outcome}, but the machine was overloaded`);
        row = await run(scenario, 2);
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
