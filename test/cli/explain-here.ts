import { Command } from 'commander';
import { vi } from 'vitest';
import { registerExplain } from '#cli/explain.ts';

/** The command in this process: what it prints, or the sentence it fails with. */
export const explain = async (...args: string[]): Promise<string> => {
  const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  registerExplain(program);
  const lines: string[] = [];
  const log = vi.spyOn(console, 'log').mockImplementation((text: string) => void lines.push(text));
  try {
    await program.parseAsync(['node', 'whyslow', 'explain', ...args]);
  } catch (error) {
    return `refused: ${(error as Error).message}`;
  } finally {
    log.mockRestore();
  }
  return lines.join('\n');
};
