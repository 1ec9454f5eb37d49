import { execFileSync, fork, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createPageLoadProber } from '#probes/page-load/page-load.ts';
import { browserProcesses } from '#test/probes/page-load/browser-processes.ts';
import { percentile, type Row, rounded } from '../rows.ts';
import { followTree, groupCpuMs } from './process-cpu.ts';

/** The newest that runs on Node 20. */
const lighthouse = 'lighthouse@12';
const targetRatio = 0.1;
const loads = 20;
const peerRuns = 3;

/**
 * CPU time (user and system, of all processes) of a page load in the warm browser beside that of a
 * Lighthouse run, on the same page in the same Chromium. Lighthouse is installed for it from npm into
 * a temporary folder.
 */
export const costBesideLighthouse = async (): Promise<Row[]> => {
  const folder = mkdtempSync(join(tmpdir(), 'whyslow-bench-page-'));
  const script = fileURLToPath(new URL('./serve.ts', import.meta.url));
  const server = fork(script, { execArgv: ['--import', 'tsx'] });
  try {
    const url = await new Promise<string>((resolve) => {
      server.once('message', (message) => resolve(message as string));
    });
    const ours = await measureOurs(url, join(folder, 'work'));
    const peer = await measurePeer(url, folder);
    const ratio = peer === null ? null : ours / peer;
    return [
      {
        name: 'page load, warm browser, CPU time beside a Lighthouse run',
        unit: 'ms',
        ours: rounded(ours),
        peer: peer === null ? null : rounded(peer),
        ratio: ratio === null ? null : rounded(ratio),
        target: `ratio ≤ ${targetRatio}`,
        met: ratio === null ? null : ratio <= targetRatio,
      },
    ];
  } finally {
    server.disconnect();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
};

/** Browser and prober together; the median of the loads, as one may meet something else. */
const measureOurs = async (url: string, workFolder: string): Promise<number> => {
  const prober = createPageLoadProber();
  const load = async () => {
    const { failure } = await prober.run(
      {
        type: 'page-load',
        id: 'page-load',
        appId: 'app',
        via: 'direct',
        intervalMs: 60_000,
        timeoutMs: 30_000,
        url,
      },
      {
        signal: new AbortController().signal,
        proxy: undefined,
        extraCa: [],
        workFolder,
        browserPath: undefined,
      },
    );
    if (failure !== null) throw new Error(failure.message);
  };
  try {
    for (let i = 0; i < 3; i++) await load();
    const group = browserProcesses(workFolder).find(({ type }) => type === 'browser')?.group;
    if (group === undefined) throw new Error('no browser is running');
    const spentMs: number[] = [];
    for (let i = 0; i < loads; i++) {
      const before = groupCpuMs(group);
      const own = process.cpuUsage();
      await load();
      // What it clears away after the answer is part of the price.
      await new Promise((resolve) => setTimeout(resolve, 200));
      const { user, system } = process.cpuUsage(own);
      spentMs.push(groupCpuMs(group) - before + (user + system) / 1_000);
    }
    return percentile(spentMs, 0.5);
  } finally {
    await prober.stop();
  }
};

const measurePeer = async (url: string, folder: string): Promise<number | null> => {
  try {
    const words = ['install', '--no-audit', '--no-fund', '--prefix', folder, lighthouse];
    execFileSync('npm', words, { stdio: 'ignore' });
  } catch {
    console.log(`${lighthouse} could not be installed from npm: nothing to compare with`);
    return null;
  }
  const spentMs: number[] = [];
  for (let i = 0; i < peerRuns; i++) spentMs.push(await runPeer(url, folder));
  return percentile(spentMs, 0.5);
};

const runPeer = async (url: string, folder: string): Promise<number> => {
  const report = join(folder, 'report.json');
  const child = spawn(
    process.execPath,
    [
      join(folder, 'node_modules/lighthouse/cli/index.js'),
      url,
      '--preset=desktop',
      '--only-categories=performance',
      '--quiet',
      '--output=json',
      `--output-path=${report}`,
      '--chrome-flags=--headless=new --no-sandbox',
    ],
    { stdio: 'ignore', env: { ...process.env, CHROME_PATH: '/usr/bin/chromium', TMPDIR: folder } },
  );
  const tree = followTree(child.pid ?? 0);
  await new Promise((resolve) => child.once('exit', resolve));
  const cpuMs = tree.stop();
  const { categories } = JSON.parse(readFileSync(report, 'utf8')) as {
    categories: { performance: { score: number | null } };
  };
  if (categories.performance.score === null) throw new Error('Lighthouse gave no score');
  return cpuMs;
};
