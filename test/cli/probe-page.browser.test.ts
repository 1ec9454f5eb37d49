import { execFile } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startOrigin } from '#test/support/origin.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';

const root = join(import.meta.dirname, '../..');

const whyslow = (...args: string[]) =>
  new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const command = join(root, 'bin/whyslow.mjs');
    const child = execFile(
      process.execPath,
      [command, ...args],
      { cwd: root },
      (_error, stdout, stderr) => resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });

describe('whyslow probe page', () => {
  it('does the steps of a file with the secrets of another, and writes picture and archive', async () => {
    const folder = await makeTemporaryFolder();
    const origin = await startOrigin();
    onTestFinished(() => origin.stop());
    const icon = '<!doctype html><link rel="icon" href="data:,">';
    origin.on('/login', {
      body: `${icon}<form method="post" action="/home"><input id="p" type="password"><button>Go</button></form>`,
    });
    origin.on('/home', { body: `${icon}<h1>Welcome</h1>` });
    const [steps, secrets, picture, archive] = ['steps.yaml', 'secrets.yaml', 'p.jpg', 'a.har'].map(
      (name) => join(folder, name),
    ) as [string, string, string, string];
    writeFileSync(
      steps,
      `steps:
  - { type: fill, selector: '#p', secret: PASSWORD }
  - { type: click, name: log in, selector: button }
  - { type: expect, text: Welcome }
`,
    );
    writeFileSync(secrets, 'PASSWORD: hunter22\n');
    chmodSync(secrets, 0o600);
    const files = [
      '--steps',
      steps,
      '--secrets',
      secrets,
      '--har',
      archive,
      '--screenshot',
      picture,
    ];
    const { code, stdout, stderr } = await whyslow(
      'probe',
      'page',
      `${origin.url}/login`,
      ...files,
    );
    expect(stdout).toMatch(/2 {2}log in +ok +[\d.]+ ms +1 requests?,/);
    expect(stdout).toMatch(/document {2}.*connect [\d.]+ ms, wait/);
    expect(code).toBe(0);
    // A secret was typed.
    expect(existsSync(picture)).toBe(false);
    expect(stderr).toContain('the page gave none');
    expect(statSync(archive).mode & 0o777).toBe(0o600);
    const har = readFileSync(archive, 'utf8');
    expect(JSON.parse(har)).toMatchObject({ log: { version: '1.2' } });
    expect(har + stdout).not.toContain('hunter22');

    await whyslow('probe', 'page', `${origin.url}/login`, '--screenshot', picture);
    expect(readFileSync(picture).subarray(0, 3).toString('hex')).toBe('ffd8ff');

    writeFileSync(steps, "- { type: click, selector: '#a >' }\n");
    const refused = await whyslow('probe', 'page', `${origin.url}/login`, '--steps', steps);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toMatch(/\/0\/selector: not a selector: it ends with “>”/);
  });
});
