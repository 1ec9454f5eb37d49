import { spawn } from 'node:child_process';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';
import { waitUntil } from '#test/support/wait-until.ts';
import { browserProcesses } from './browser-processes.ts';
import { countLeftovers } from './leftovers.ts';
import { loadPages } from './load-pages.ts';

describe('page loads', () => {
  it('leave no process, profile or descriptor behind, whichever way pages fail', async () => {
    const workFolder = await makeTemporaryFolder();
    await loadPages({ runs: 1, failEvery: 100, workFolder });
    const { memoryMb: __, ...before } = countLeftovers(workFolder);
    const failures = new Set<string | null>();
    await loadPages({
      runs: 12,
      failEvery: 4,
      workFolder,
      tell: (_run, type) => failures.add(type),
    });
    await waitUntil(() => browserProcesses(workFolder).length === 0);
    const { memoryMb: ___, ...after } = countLeftovers(workFolder);
    expect(after).toEqual(before);
    expect(after.profileCount).toBe(0);
    expect(failures).toContain(null);
    expect(failures).toContain('browser.timed_out');
    expect(failures).toContain('http.response.redirect_loop');
  });

  it('leave no process when their program is killed in the midst, and no profile after the next', async () => {
    const workFolder = join(await makeTemporaryFolder(), 'work');
    await mkdir(workFolder);
    const runner = fileURLToPath(new URL('./pages-until-killed.ts', import.meta.url));
    const program = spawn(process.execPath, ['--import', 'tsx', runner, workFolder]);
    let runs = 0;
    program.stdout.on('data', () => {
      runs += 1;
    });
    await waitUntil(() => runs >= 2);
    expect(browserProcesses(workFolder)).not.toHaveLength(0);
    program.kill('SIGKILL');
    await waitUntil(() => browserProcesses(workFolder).length === 0, 10_000);
    await loadPages({ runs: 1, failEvery: 100, workFolder });
    expect(await readdir(workFolder)).toEqual([]);
  });
});
