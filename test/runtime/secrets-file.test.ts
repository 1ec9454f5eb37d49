import { chmod, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openSecrets } from '#runtime/secrets-file.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';

const write = async (text: string, mode = 0o600): Promise<string> => {
  const path = join(await makeTemporaryFolder(), 'secrets.yaml');
  await writeFile(path, text);
  await chmod(path, mode);
  return path;
};

describe('a file of secrets', () => {
  it('gives each by its name, as it stands in the file now', async () => {
    const path = await write('CRM_PASSWORD: hunter22\n"pin": "0042"\n');
    const secrets = openSecrets(path);
    expect(secrets('CRM_PASSWORD')).toEqual({ value: 'hunter22' });
    expect(secrets('pin')).toEqual({ value: '0042' });
    expect(secrets('other')).toBeUndefined();
    expect(secrets('toString')).toBeUndefined();
    await writeFile(path, 'CRM_PASSWORD: changed\n');
    expect(secrets('CRM_PASSWORD')).toEqual({ value: 'changed' });
  });

  it('binds one to origins, which are written the usual way', async () => {
    const path = await write(
      'A: { value: hunter22, origins: [https://Login.example.com:443, "http://a.test:81"] }\n',
    );
    const origins = ['https://login.example.com', 'http://a.test:81'];
    expect(openSecrets(path)('A')).toEqual({ value: 'hunter22', origins });
  });

  it.each([
    ['a path', '{ value: hunter22, origins: ["https://a.test/x"] }'],
    ['no scheme', '{ value: hunter22, origins: [a.test] }'],
    ['none', '{ value: hunter22, origins: [] }'],
    ['another field', '{ value: hunter22, origin: https://a.test }'],
    ['a wrong port', '{ value: hunter22, origins: ["https://a.test:hunter22"] }'],
  ])('is refused where an origin has %s', async (_, text) => {
    const path = await write(`A: ${text}\n`);
    expect(() => openSecrets(path)).toThrow(/line 1, column 1: expected .*origins/);
    expect(() => openSecrets(path)).not.toThrow(/hunter22/);
  });

  it('has none, and says why, once others may read it or it is gone', async () => {
    const path = await write('A: hunter22\n');
    const problems: string[] = [];
    const secrets = openSecrets(path, (reason) => problems.push(reason));
    await chmod(path, 0o640);
    expect(secrets('A')).toBeUndefined();
    await rm(path);
    expect(secrets('A')).toBeUndefined();
    expect(problems).toEqual([
      expect.stringMatching(/mode 0640.*chmod 0600/),
      expect.stringMatching(/no file/),
    ]);
  });

  it.each([
    ['others may read it', 'A: hunter22', 0o604, /mode 0604/],
    ['a secret is a number', 'A: 12345', 0o600, /quotes/],
    ['a secret is too short to be taken out of text', 'A: abc', 0o600, /4 to 1,000/],
    ['a name is none', '"a b": hunter22', 0o600, /no name of a secret/],
    ['it is a list', '- hunter22', 0o600, /NAME: secret/],
  ])(
    'is refused at the start where %s, without telling a secret',
    async (_, text, mode, reason) => {
      const path = await write(text, mode);
      expect(() => openSecrets(path)).toThrow(reason);
      expect(() => openSecrets(path)).not.toThrow(/hunter22/);
    },
  );

  it.each([
    ['a quote that is not closed', 'CRM_PASSWORD: "hunter22\n'],
    ['a colon', 'CRM_PASSWORD: hunter22: x\n'],
    ['an @ first', 'CRM_PASSWORD: @hunter22\n'],
    ['a % first', 'CRM_PASSWORD: %hunter22\n'],
    ['a % in the first column', '%hunter22\n---\nA: four\n'],
    ['a * first', 'CRM_PASSWORD: *hunter22\n'],
    ['a tag', 'CRM_PASSWORD: !hunter22 x\n'],
    ['a bracket', 'CRM_PASSWORD: [hunter22\n'],
    ['a name twice', 'A: aaaa\nA: hunter22\n'],
    ['the secret where the name should be', 'hunter22 x: y\n'],
    ['a map', 'CRM_PASSWORD:\n  hunter22: x\n'],
  ])('with %s is refused by line and kind of mistake, never with its text', async (_, text) => {
    const path = await write(text);
    const warnings: string[] = [];
    const onWarning = (warning: Error) => warnings.push(warning.message);
    process.on('warning', onWarning);
    expect(() => openSecrets(path)).toThrow(/line \d+, column \d+: /);
    expect(() => openSecrets(path)).not.toThrow(/hunter22/);
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', onWarning);
    expect(warnings.join()).not.toContain('hunter22');
  });
});
