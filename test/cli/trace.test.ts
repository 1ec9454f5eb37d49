import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { sparkline, traceLines } from '#cli/trace/trace-lines.ts';
import { addPacket, type TraceState, viewOf } from '#cli/trace/trace-state.ts';
import { createTurns } from '#cli/trace/turns.ts';
import type { Hop } from '#contract/body/path.ts';

const binary = join(import.meta.dirname, '../../bin/whyslow.mjs');
const folder = mkdtempSync(join(tmpdir(), 'whyslow-cli-trace-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const trace = (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [binary, 'trace', ...args], (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });

const listening = async (): Promise<{ port: number; close: () => Promise<unknown> }> => {
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  return { port, close: () => new Promise((resolve) => server.close(resolve)) };
};

describe('whyslow trace', () => {
  it('prints one line of JSON with hops and the figures end to end', async () => {
    const { port, close } = await listening();
    const { code, stdout } = await trace(
      '127.0.0.1',
      '--port',
      `${port}`,
      '-c',
      '3',
      '-n',
      '--json',
    );
    await close();
    expect(code).toBe(0);
    const told = JSON.parse(stdout) as { hops: Hop[]; protocol: string; rounds: number };
    expect(told).toMatchObject({ protocol: 'tcp', port, reached: true, lossRatio: 0, rounds: 3 });
    expect(told.hops).toMatchObject([{ ttl: 1, address: '127.0.0.1', receivedCount: 3 }]);
  });

  it('prints a report with owners, path MTU and branches where they are asked for', async () => {
    const table = join(folder, 'asn.tsv');
    writeFileSync(table, '127.0.0.0\t127.255.255.255\t64500\tDE\tHERE\n');
    const { port, close } = await listening();
    const { code, stdout } = await trace(
      ...['127.0.0.1', '--port', `${port}`, '-c', '3', '-n', '--report'],
      ...['--asn-file', table, '--mtu', '--branches'],
    );
    await close();
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^path to 127\.0\.0\.1, TCP port \d+.*; from .+, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/m,
    );
    expect(stdout).toMatch(/^ {2}1 127\.0\.0\.1 +AS64500 DE +100 %/m);
    expect(stdout).toContain('end to end  lost 0 % of 3');
    expect(stdout).toContain('branches: one path only, by 6 flows');
  });

  it('says what is wrong with a table of owners, and where', async () => {
    const table = join(folder, 'broken.tsv');
    writeFileSync(table, '# a comment\n127.0.0.0/8\t64500\n');
    const { code, stderr } = await trace('127.0.0.1', '--asn-file', table);
    expect(code).toBe(2);
    expect(stderr).toContain(
      `table of owners ${table}: line 2: expected start, end, asn, country and name between tabs`,
    );
  });

  it('ends with 1 where the target does not answer, and 2 where it is called wrongly', async () => {
    const [unknown, port, table] = await Promise.all([
      trace('no-such-name.invalid', '--json'),
      trace('127.0.0.1', '--port', '70000'),
      trace('127.0.0.1', '--asn-file', join(folder, 'none')),
    ]);
    expect([unknown.code, port.code, table.code]).toEqual([2, 2, 2]);
    expect(unknown.stderr).toContain('no-such-name.invalid has no address that could be traced');
    expect(table.stderr).toContain('table of owners');
  });

  it('names --port where the port stands with the host', async () => {
    const { code, stderr } = await trace('app.test:443');
    expect(code).toBe(2);
    expect(stderr).toContain('target app.test:443: give the port apart, as in app.test --port 443');
  });

  it.runIf(process.getuid?.() === 0)('says that ICMP tells no branches', async () => {
    const args = ['127.0.0.1', '-c', '3', '-n', '--branches'];
    const [report, json] = await Promise.all([trace(...args), trace(...args, '--json')]);
    const words = 'branches: by ICMP they cannot be told: use --port or --protocol udp';
    expect(report.stdout).toContain(words);
    expect(report.stdout).not.toContain('one path only');
    expect(JSON.parse(json.stdout)).toMatchObject({
      branches: { flowCount: 6, hopCount: 0, isConclusive: false },
      notes: [words],
    });
  });

  const hasScript = spawnSync('script', ['--version']).status === 0;
  it.runIf(hasScript)(
    'is a screen with keys in a terminal, and a report when that ends',
    async () => {
      const { port, close } = await listening();
      const command = `stty cols 130 rows 20; ${process.execPath} ${binary} trace 127.0.0.1 --port ${port} -n -i 0.2`;
      const stdout = await new Promise<string>((resolve) => {
        const child = execFile('script', ['-qfc', command, '/dev/null'], (_error, text) =>
          resolve(text),
        );
        // Each key is pressed when the screen shows what the one before did.
        const steps: [shows: RegExp, key: string][] = [
          [/round ([2-9]|\d\d+);/, 'p'],
          [/p goes on/, 'p'],
          [/p goes on.*p pauses/s, 'r'],
          [/p goes on.*p pauses.*round [01];.*round ([3-9]|\d\d+);/s, 'q'],
        ];
        let seen = '';
        child.stdout?.on('data', (text: string) => {
          seen += text;
          if (steps[0]?.[0].test(seen)) child.stdin?.write(steps.shift()?.[1] ?? '');
        });
      });
      await close();
      const [before = '', after = ''] = stdout.split('\u001b[?1049l');
      expect(before).toContain('\u001b[?1049h');
      expect(before).toContain('round trips');
      expect(before).toContain('q or Ctrl-C ends with a report');
      expect(after).toMatch(/hop address +answered +sent +last +best +median +worst +jitter/);
      expect(after).toMatch(/end to end {2}lost 0 % of [1-9]/);
      expect(after).not.toContain('\u001b[');
    },
  );
});

describe('the turns of a live trace', () => {
  it('end with a pause, and go on with the next key', async () => {
    const ending = new AbortController();
    const turns = createTurns(ending.signal, () => {});
    const first = turns.begin();
    expect(await turns.goesOn()).toBe(false);
    turns.pauseOrGoOn();
    expect([first.aborted, turns.isPaused()]).toEqual([true, true]);
    const next = turns.goesOn();
    turns.pauseOrGoOn();
    expect(await next).toBe(true);
    expect(turns.begin().aborted).toBe(false);
  });

  it('end for good with the trace, also while it pauses, and begin anew where they are told to', async () => {
    const ending = new AbortController();
    let forgotten = 0;
    const turns = createTurns(ending.signal, () => {
      forgotten += 1;
    });
    turns.begin();
    turns.anew();
    expect([forgotten, await turns.goesOn()]).toEqual([1, true]);
    turns.begin();
    turns.pauseOrGoOn();
    const next = turns.goesOn();
    ending.abort();
    expect(await next).toBe(false);
    expect(turns.begin().aborted).toBe(true);
  });
});

describe('the lines of a trace', () => {
  const state = (): TraceState => ({
    target: 'app.test',
    address: '192.0.2.9',
    protocol: 'tcp',
    port: 443,
    method: 'raw',
    packets: [],
    flowPackets: [],
    mtu: null,
    branches: null,
    notes: [],
  });
  const answered = (ttl: number, round: number, kind: 'hop' | 'target', rttMs: number) =>
    ({ ttl, round, flow: 0, answer: { kind, address: `192.0.2.${ttl}`, rttMs } }) as const;

  it('call a hop that limits its answers so, and nothing lost there', () => {
    const traced = state();
    for (let round = 0; round < 12; round += 1) {
      addPacket(
        traced,
        round < 3 ? answered(1, round, 'hop', 1) : { ttl: 1, round, flow: 0, answer: null },
      );
      addPacket(traced, answered(2, round, 'target', 4));
    }
    const lines = traceLines(traced, viewOf(traced), { width: 80, isLive: false });
    const text = lines.map((line) => line.text).join('\n');
    expect(text).toMatch(/1 192\.0\.2\.1 +~25 %/);
    expect(text).toContain('~ answers clearly less often than what is behind it');
    expect(text).toContain('lost 0 % of 12');
    expect(lines.some(({ look }) => look === 'warn')).toBe(false);
  });

  it('show control characters in names as what they are', () => {
    const traced = state();
    addPacket(traced, answered(1, 0, 'target', 1));
    const view = viewOf(traced);
    const hops = view.hops.map((hop) => ({ ...hop, name: '\u001b[2J\u009b31m\nall.well' }));
    const lines = traceLines(traced, { ...view, hops }, { width: 120, isLive: true });
    expect(lines.map(({ text }) => text).join('')).not.toMatch(/\p{Cc}/u);
    expect(lines[2]?.text).toContain('\\x1b[2J\\x9b31m\\x0aall.well');
  });

  it.each([60, 80, 200])('fit a terminal of %d columns', (width) => {
    const traced = state();
    for (let round = 0; round < 90; round += 1)
      addPacket(traced, answered(1, round, 'target', round));
    for (const { text } of traceLines(traced, viewOf(traced), { width, isLive: true })) {
      expect(text.length).toBeLessThanOrEqual(width);
    }
  });

  it('draw round trips against the slowest, and a dot for none', () => {
    expect(sparkline([0, 5, 10, null], 10)).toBe('▁▅█·');
  });

  it('forget rounds long past, so that a trace may run for days', () => {
    const traced = state();
    for (let round = 0; round < 2_500; round += 1)
      addPacket(traced, answered(1, round, 'target', 1));
    expect(traced.packets.length).toBeLessThan(1_200);
  });
});
