import { afterEach, expect, test, vi } from 'vitest';
import { main } from '#cli/main.ts';

afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

const printed = async (...args: string[]): Promise<string> => {
  const lines: string[] = [];
  const keep = (text: string | Uint8Array): boolean => {
    lines.push(String(text));
    return true;
  };
  vi.spyOn(process.stdout, 'write').mockImplementation(keep);
  vi.spyOn(process.stderr, 'write').mockImplementation(keep);
  await main(['node', 'whyslow', ...args]);
  vi.restoreAllMocks();
  return lines.join('');
};

test('every command that the help lists is found by its name alone', async () => {
  const names = [...(await printed('--help')).matchAll(/^ {2}([a-z]+)(?= |$)/gm)]
    .map(([, name]) => name ?? '')
    .filter((name) => name !== 'help');
  expect(names).toEqual(expect.arrayContaining(['up', 'probe', 'agent', 'edge', 'collector']));
  for (const name of names) {
    expect(await printed(name, '--help')).toContain(`Usage: whyslow ${name}`);
  }
});

test('a command that there is not is said, with a likely one', async () => {
  expect(await printed('prob')).toContain("unknown command 'prob'");
  expect(process.exitCode).toBe(2);
});
