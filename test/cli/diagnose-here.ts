import { Command } from 'commander';
import { vi } from 'vitest';
import { registerDiagnose } from '#cli/diagnose.ts';

/** The command in this process: what it prints, what it says aside, and the sentence it fails with. */
export const diagnose = async (...args: string[]) => {
  const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  registerDiagnose(program);
  const printed: string[] = [];
  const aside: string[] = [];
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed.push(String(text));
    return true;
  });
  const error = vi.spyOn(console, 'error').mockImplementation((text: string) => {
    aside.push(text);
  });
  let refused: string | undefined;
  try {
    await program.parseAsync(['node', 'whyslow', 'diagnose', ...args]);
  } catch (mistake) {
    refused = (mistake as Error).message;
  } finally {
    write.mockRestore();
    error.mockRestore();
  }
  return { out: printed.join(''), aside: aside.join('\n'), refused };
};
