import type { Command } from 'commander';
import { UsageError } from './usage-error.ts';

/** `whyslow agent enforcement clear`: the way out when no agent is there to take it away. */
export const registerAgentEnforcement = (agent: Command): void => {
  agent
    .command('enforcement')
    .description('strict enforcement on this machine: see docs/fail-modes.md')
    .command('clear')
    .description('take away the kernel rules that shut this machine (root)')
    .action(async () => {
      const { createFence } = await import('#agent/enforcement/fence.ts');
      const { strictTableName } = await import('#agent/enforcement/strict-table.ts');
      if (process.getuid?.() !== 0) throw new UsageError('only root may look and clear: use sudo');
      const fence = createFence();
      if (!(await fence.isStanding())) {
        console.log(`Nothing to clear: there is no nftables table ${strictTableName}.`);
        return;
      }
      const problem = await fence.takeAway();
      if (problem !== undefined) throw new UsageError(`not cleared: ${problem}`);
      console.log(
        [
          `Removed the nftables table ${strictTableName}: this machine is open.`,
          'An agent whose policy or config says strict makes it again within 30 s.',
          'To stay open: stop that agent, or change the policy.',
        ].join('\n'),
      );
    });
};
