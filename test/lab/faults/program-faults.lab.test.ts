import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startChildScript } from '#test/support/child-script.ts';
import { waitUntil } from '#test/support/wait-until.ts';
import { type Lab, raiseLab } from '../lab.ts';
import {
  isAlive,
  programsFolder,
  startTicksOf,
  writeProgramFile,
} from '../programs/program-file.ts';
import { twoSites } from '../topology/two-sites.ts';
import { canLimitCpu } from './actions/cpu-quota.ts';
import { clearFaults, faultsSet, setFaults } from './apply.ts';
import { clockEnvironment } from './clock.ts';

const script = fileURLToPath(new URL('./program-until-killed.ts', import.meta.url));
const setter = fileURLToPath(new URL('./set-until-killed.ts', import.meta.url));

type Clocks = { dateMs: number; steadyMs: number; childPid?: number };

let lab: Lab;
/** Beside the lab's: programs write on while it goes down. */
let folder: string;
const started: ChildProcess[] = [];

/** A process of our own in the place of a program, outside of the lab so that it outlives it. */
const startProgram = async (program: string, environment: Record<string, string> = {}) => {
  const clockFile = join(folder, `${program}-${started.length}`);
  const child = spawn(process.execPath, ['--import', 'tsx', script, clockFile], {
    stdio: 'ignore',
    env: { ...process.env, ...environment },
  });
  started.push(child);
  const clocks = (): Clocks => JSON.parse(readFileSync(clockFile, 'utf8'));
  await waitUntil(() => existsSync(clockFile) && existsSync(`${clockFile}.child`));
  const pid = child.pid ?? 0;
  writeProgramFile(lab.folder, {
    program,
    node: 'a1',
    pid,
    startTicks: startTicksOf(pid) ?? '',
    configFile: '',
    stateFolder: '',
    logFile: '',
    environment,
  });
  const end = async () => {
    child.kill('SIGKILL');
    await waitUntil(() => startTicksOf(pid) === undefined);
  };
  return { pids: [pid, clocks().childPid ?? 0], clocks, end };
};
let stalling: Awaited<ReturnType<typeof startProgram>>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'whyslow-test-'));
  const name = `tp${process.pid.toString(36)}`;
  lab = await raiseLab({ topology: twoSites, name, services: false, shim: false });
  mkdirSync(programsFolder(lab.folder), { recursive: true });
  stalling = await startProgram('agent-b1');
});
afterEach(() => (existsSync(lab.folder) ? clearFaults(lab) : undefined));
afterAll(async () => {
  for (const child of started) child.kill('SIGKILL');
  await lab?.down();
  // A program's child writes until it has seen its parent go.
  rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
});

/** `T`: stopped by a signal. */
const stateOf = (pid: number): string =>
  /\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1] ?? '';

/** Share of looks at which a process was stopped. */
const stoppedRatio = async (pid: number): Promise<number> => {
  let stopped = 0;
  for (let look = 0; look < 150; look += 1) {
    if (stateOf(pid) === 'T') stopped += 1;
    await sleep(7);
  }
  return stopped / 150;
};

/** CPU time that processes get of so many ms; 100 ticks a second. */
const cpuRatio = async (pids: readonly number[]): Promise<number> => {
  const usedMs = () =>
    pids.reduce((sum, pid) => {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
      return sum + (Number(fields[11]) + Number(fields[12])) * 10;
    }, 0);
  const [beforeMs, fromMs] = [usedMs(), performance.now()];
  await sleep(2_000);
  return (usedMs() - beforeMs) / (performance.now() - fromMs);
};

const keeperOf = (program: string): { pid: number; startTicks: string } =>
  JSON.parse(readFileSync(join(lab.folder, 'keepers', `${program}.keeper`), 'utf8'));

/** Once they go on: what continues them ends a moment after the one who had stopped them. */
const neverStopped = async (pids: readonly number[]): Promise<boolean> => {
  await waitUntil(() => pids.every((pid) => stateOf(pid) !== 'T'));
  return (await Promise.all(pids.map(stoppedRatio))).every((ratio) => ratio === 0);
};

describe('a program as on an overloaded machine', () => {
  it('device-stalls: it and its child stand still four fifths of the time, and not at all when cleared', async () => {
    await setFaults(lab, ['device-stalls']);
    for (const ratio of await Promise.all(stalling.pids.map(stoppedRatio))) {
      expect(ratio).toBeGreaterThan(0.55);
      expect(ratio).toBeLessThan(0.95);
    }
    await clearFaults(lab);
    expect(await neverStopped(stalling.pids)).toBe(true);
  });

  it.runIf(canLimitCpu())('device-busy: it and its child share 4 % of a CPU', async () => {
    const starved = await startProgram('agent-a1');
    const groupsOf = () =>
      starved.pids.map(
        (pid) => /\bcpu\b.*:(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1],
      );
    await setFaults(lab, ['device-busy']);
    const group = `whyslow-lab-${lab.name}-agent-a1`;
    expect(groupsOf()).toEqual([`/${group}`, `/${group}`]);
    expect(await cpuRatio(starved.pids)).toBeLessThan(0.12);
    // The kernel counts the periods in which it took the CPU away from them.
    await waitUntil(() => {
      const stat = readFileSync(`/sys/fs/cgroup/cpu/${group}/cpu.stat`, 'utf8');
      return Number(/nr_throttled (\d+)/.exec(stat)?.[1]) > 3;
    });
    await clearFaults(lab);
    expect(groupsOf()).toEqual(['/', '/']);
    expect(existsSync(`/sys/fs/cgroup/cpu/${group}`)).toBe(false);
    await starved.end();
  });

  it('is not left stopped by a keeper that is killed', async () => {
    await setFaults(lab, ['device-stalls']);
    const keeper = keeperOf('agent-b1');
    process.kill(keeper.pid, 'SIGKILL');
    await waitUntil(() => !isAlive(keeper));
    await sleep(300);
    expect(await neverStopped(stalling.pids)).toBe(true);
  });
});

describe('a suspended program', () => {
  it('device-suspended: nothing of it runs until it is cleared', async () => {
    const sleeper = await startProgram('agent-a2');
    await setFaults(lab, ['device-suspended']);
    await waitUntil(() => sleeper.pids.every((pid) => stateOf(pid) === 'T'));
    const { steadyMs } = sleeper.clocks();
    await sleep(500);
    expect(sleeper.clocks().steadyMs).toBe(steadyMs);
    await clearFaults(lab);
    await waitUntil(() => sleeper.clocks().steadyMs > steadyMs);
    expect(await neverStopped(sleeper.pids)).toBe(true);
    await sleeper.end();
  });

  it('may end meanwhile: clearing does not mind', async () => {
    const sleeper = await startProgram('agent-a2');
    await setFaults(lab, ['device-suspended']);
    await sleeper.end();
    await clearFaults(lab);
    expect(faultsSet(lab)).toEqual([]);
    await expect(setFaults(lab, ['device-suspended'])).rejects.toThrow(
      'the program "agent-a2" does not run in the lab',
    );
  });
});

describe('a stepped clock', () => {
  it('clock-forward: Date jumps by two minutes and back, the steady clock goes on', async () => {
    const program = await startProgram('agent-b2', clockEnvironment(lab.folder, 'agent-b2'));
    const offsetMs = () => program.clocks().dateMs - Date.now();
    expect(Math.abs(offsetMs())).toBeLessThan(5_000);
    const { steadyMs } = program.clocks();
    const fromMs = performance.now();
    await setFaults(lab, ['clock-forward']);
    await waitUntil(() => Math.abs(offsetMs() - 120_000) < 5_000);
    await clearFaults(lab);
    await waitUntil(() => Math.abs(offsetMs()) < 5_000);
    expect(program.clocks().steadyMs - steadyMs).toBeLessThan(performance.now() - fromMs + 1_000);
    await program.end();
  });

  it('is refused for a program that was started without one', async () => {
    const program = await startProgram('agent-b2');
    await expect(setFaults(lab, ['clock-back'])).rejects.toThrow(
      'fault clock-back: the clock of agent-b2 cannot be stepped: start it with clockEnvironment()',
    );
    await program.end();
  });
});

describe('whoever set the faults may be gone', () => {
  it('a process killed while it sets them leaves what another can clear', async () => {
    const faults = ['device-stalls', 'transit-detour', 'transit-mtu-hole', 'access-slow-line'];
    const child = startChildScript(setter, [lab.name, ...faults]);
    expect(await child.line()).toBe('attached');
    await waitUntil(() => faultsSet(lab).length >= 3);
    await child.kill();
    await clearFaults(lab);
    expect(faultsSet(lab)).toEqual([]);
    expect(await neverStopped(stalling.pids)).toBe(true);
    const { stdout } = await lab.exec('t1', 'sh', ['-c', 'nft list tables; ip link show to-e1']);
    expect(stdout).not.toMatch(/whyslow/);
    expect(stdout).toMatch(/mtu 1500/);
  });

  it('with the lab’s end its keepers end, and what they stopped goes on', async () => {
    await setFaults(lab, ['device-stalls']);
    const keeper = keeperOf('agent-b1');
    await lab.down();
    await waitUntil(() => !isAlive(keeper));
    expect(await neverStopped(stalling.pids)).toBe(true);
  });
});
