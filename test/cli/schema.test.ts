import { Command } from 'commander';
import { expect, it, vi } from 'vitest';
import { registerSchema } from '#cli/schema.ts';

/** What the command prints. */
const schema = async (...args: string[]): Promise<string> => {
  const program = new Command().exitOverride();
  registerSchema(program);
  const lines: string[] = [];
  const log = vi.spyOn(console, 'log').mockImplementation((text: string) => void lines.push(text));
  try {
    await program.parseAsync(['node', 'whyslow', 'schema', ...args]);
  } finally {
    log.mockRestore();
  }
  return lines.join('\n');
};

it.each([
  ['header', 'header', 'binSeconds'],
  ['http', 'result-http', 'body'],
  ['tunnel', 'sample-tunnel', 'controlRttMs'],
  ['verdict', 'verdict', 'sentence'],
  ['incident', 'incident', 'impactMsMinutes'],
])('whyslow schema %s prints the JSON Schema, with units', async (name, title, key) => {
  const printed = JSON.parse(await schema(name)) as { title: string; properties: object };
  expect(printed.title).toBe(title);
  expect(Object.keys(printed.properties)).toContain(key);
});

it('without a name lists them, and refuses what is none of them', async () => {
  expect((await schema()).split('\n')).toContain('result-page-load');
  await expect(schema('constructor')).rejects.toThrow('there is no schema constructor; there are');
});
