import type { Command } from 'commander';
import type { LocalLine } from '#agent/on-demand/local.ts';
import { type BurstOptions, describeLine, orderOf, withBurstOptions } from './run.ts';
import { UsageError } from './usage-error.ts';

/** `whyslow agent measure PROBE…`: runs of the agent on this machine, beside its plan. */
export const registerAgentRun = (agent: Command): void => {
  withBurstOptions(
    agent
      .command('measure')
      .description('have the agent on this machine run probes of its plan now')
      .argument('<probe...>', 'their ids: see `whyslow agent status`')
      .option('--state <folder>', 'its state folder', '.whyslow/agent'),
  )
    .option('--json', 'a JSON text a line')
    .action(async (probes: string[], options: AgentRunOptions) => {
      const { runLocally } = await import('#agent/on-demand/local.ts');
      const { AgentNotRunning } = await import('#agent/status.ts');
      const order = { ...orderOf(options), probes };
      let refusal: string | undefined;
      const show = (line: LocalLine) => {
        if (line.type === 'refused') refusal = line.reason;
        else console.log(options.json === true ? JSON.stringify(line) : describe(line));
        if (line.type === 'result' && line.availability === 0) process.exitCode = 1;
      };
      await runLocally(options.state, order, show).catch((error: unknown) => {
        throw error instanceof AgentNotRunning ? new UsageError(error.message) : error;
      });
      if (refusal !== undefined) throw new UsageError(refusal);
    });
};

type AgentRunOptions = BurstOptions & { state: string; json?: true };

const describe = (line: Exclude<LocalLine, { type: 'refused' }>): string => {
  switch (line.type) {
    case 'end':
      return `${line.madeCount} made${line.lostCount === 0 ? '' : `, ${line.lostCount} not made`}${line.reason === '' ? '' : `: ${line.reason}`}`;
    case 'result':
      return describeLine({
        at: line.at,
        probeId: line.probeId,
        via: line.via,
        isOk: line.availability === 1,
        ms: line.durationMs,
        what: line.failure === null ? 'ok' : `${line.failure.type}: ${line.failure.message}`,
        distortion: line.distortion === 'none' ? '' : line.distortion,
      });
  }
};
