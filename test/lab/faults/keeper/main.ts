import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { check, explain } from '#contract/check.ts';
import { startTicksOf } from '../../programs/program-file.ts';
import { KeeperJob, statusFileOf } from './job.ts';
import { holdStopped, runDutyCycle } from './stopping.ts';
import { keepTraffic } from './traffic.ts';

/** The process behind `startKeeper`; its one argument is the job's file. */
const main = async (jobFile: string): Promise<void> => {
  const checked = check(KeeperJob, JSON.parse(readFileSync(jobFile, 'utf8')));
  if (!checked.ok) throw new Error(`${jobFile}: ${explain(checked.mistakes)}`);
  const ending = new AbortController();
  const end = () => ending.abort();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, end);
  const watch = setInterval(() => {
    if (!existsSync(jobFile)) end();
  }, 100);
  writeStatus(jobFile);
  process.send?.('at work');
  try {
    await work(checked.value, ending.signal);
  } finally {
    clearInterval(watch);
    rmSync(statusFileOf(jobFile), { force: true });
  }
};

const work = (job: KeeperJob, signal: AbortSignal): Promise<void> => {
  switch (job.kind) {
    case 'duty-cycle':
      return runDutyCycle(job, signal);
    case 'stop':
      return holdStopped(job, signal);
    case 'traffic':
      return keepTraffic(job, signal);
  }
};

const writeStatus = (jobFile: string): void => {
  const path = statusFileOf(jobFile);
  const status = { pid: process.pid, startTicks: startTicksOf(process.pid) };
  writeFileSync(`${path}.new`, JSON.stringify(status), { mode: 0o600 });
  renameSync(`${path}.new`, path);
};

await main(process.argv[2] ?? '');
