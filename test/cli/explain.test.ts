import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cell, delta } from '#test/collector/diagnose/fleet/services/scene.ts';
import {
  fineApp,
  judges,
  run,
  slowApp,
  stretch,
  viewOf,
} from '#test/collector/diagnose/fleet/verdict/fleet.ts';
import { explain } from './explain-here.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'whyslow-explain-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const slowFleet = () => {
  const applications = [slowApp(270, 'payroll', { newestRun: run() })];
  const device = {
    applications,
    lag: delta(0, { nowMs: 0.3, normalMs: 0.3, scaleMs: 0.4 }),
    tunnel: delta(45, { nowMs: 75, normalMs: 30 }),
    gateway: delta(0, { nowMs: 5, normalMs: 5 }),
    cpuRatio: 0.97,
  };
  const others = Array.from({ length: 8 }, () => ({ applications: [fineApp()] }));
  const view = viewOf(0, [device, { applications: [slowApp(270)] }, ...others], {
    cells: [cell('server', 'ams', 'payroll', 1)],
  });
  return judges().judge(view, [stretch([0, 1])]);
};

const fileOf = async (name: string, lines: readonly unknown[]): Promise<string> => {
  const file = join(folder, name);
  await writeFile(file, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);
  return file;
};

describe('whyslow explain FILE:LINE', () => {
  it('shows what strangers say as it is, and gives a terminal no commands', async () => {
    const [verdict] = slowFleet().verdicts;
    const file = await fileOf('odd.ndjson', [{ ...verdict, sentence: 'slow \u001b[2Jat hop' }]);
    const text = await explain(`${file}:1`);
    expect(text).not.toContain('\u001b');
    expect(text).toContain('\\x1b[2Jat hop');
  });

  it('argues a verdict: numbers before and now, the hops, who has it, what was ruled out', async () => {
    const { verdicts, incidents } = slowFleet();
    const file = await fileOf('said.ndjson', [...verdicts, ...incidents]);
    const text = await explain(`${file}:1`);
    expect(text).toContain('SLOW (');
    expect(text).toContain('2026-11-23 09:00:00 UTC to 09:05:00 UTC');
    expect(text).toContain(
      'The newest request took 425 ms; normally 150 ms (its own past at this hour): 275 ms more.',
    );
    expect(text).toMatch(/internet path from the device to the edge\s+74 ms\s+210 ms\s+136 ms/);
    expect(text).toContain(
      'last clean hop 10.0.1.1, first inflated hop 10.0.3.1, in AS 64500; 1 silent hop in between',
    );
    expect(text).toContain('45 ms on each crossing, 270 ms on a request: 100 %');
    expect(text).toContain('2 devices have it (scope: network), 2 that meet it show nothing');
    const cleared = text.slice(text.indexOf('What was ruled out'), text.indexOf('What else'));
    expect(cleared).toContain('The processor is at 97 %, but programs run on time.');
    expect(cleared).toContain('6 devices that do not cross it are fine.');
    expect(cleared).toContain('The server’s own time');
  });

  it('and an incident', async () => {
    const { incidents } = slowFleet();
    const text = await explain(await fileOf('incident.ndjson', incidents));
    expect(text).toContain('goes on');
    expect(text).toContain('2 devices (2 with an application each), level high');
  });

  it('of what lies on no path, says what it takes each time, not on a crossing', async () => {
    const [verdict] = slowFleet().verdicts;
    const [cause] = verdict?.causes ?? [];
    const server = { id: 'payroll', name: 'the server of Payroll', from: null, to: null };
    const file = await fileOf('server.ndjson', [
      { ...verdict, causes: [{ ...cause, element: { ...cause?.element, ...server } }] },
    ]);
    expect(await explain(file)).toContain('45 ms each time, 270 ms on a request');
  });

  it.each([
    ['nothing.ndjson:0', 'lines are counted from 1'],
    ['nothing.ndjson:7', 'has no line 7'],
    ['nothing.ndjson', 'is empty'],
  ])('%s: %s', async (which, message) => {
    await writeFile(join(folder, 'nothing.ndjson'), '\n');
    expect(await explain(join(folder, which))).toContain(message);
  });

  it('a measurement is told from a verdict, and a broken verdict by its field', async () => {
    const { verdicts } = slowFleet();
    const file = await fileOf('wrong.ndjson', [{ kind: 'tunnel' }, { ...verdicts[0], score: 200 }]);
    expect(await explain(`${file}:1`)).toContain('is a measurement, not a verdict');
    expect(await explain(`${file}:2`)).toMatch(/line 2 is no verdict:\n\/score: /);
  });

  it('a file that is not there is said', async () => {
    expect(await explain(join(folder, 'none.ndjson:3'))).toContain('there is no file');
  });
});
