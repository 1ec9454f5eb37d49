import { afterAll, beforeAll, expect, it } from 'vitest';
import type { HttpPhases } from '#contract/body/http.ts';
import { testLabName } from '#test/lab/build/lab-name.ts';
import { startCapture } from '#test/lab/capture.ts';
import { type Lab, raiseLab } from '#test/lab/lab.ts';
import { type LabProber, startProber } from '#test/lab/prober.ts';
import { oneOfThree } from '#test/lab/shim/attempts.ts';
import { twoSites } from '#test/lab/topology/two-sites.ts';
import { httpProbe } from '#test/support/probe-context.ts';
import { pathProbe } from './path/path-probe.ts';
import { phasesOnWire, roundTripsOnWire } from './wire-times.ts';

let lab: Lab;
let prober: LabProber;

beforeAll(async () => {
  lab = await raiseLab({ topology: twoSites, name: testLabName() });
  prober = startProber(lab, 'a2', { first: true });
  // The first run of a process compiles what it runs.
  await prober.http(httpProbe('https://crm.saas.test/health'));
  await prober.path(pathProbe('crm.saas.test'));
});
afterAll(async () => {
  await prober?.stop();
  await lab?.down();
});

/** Prints how far our figures are from the wire's, and holds them to bounds. */
const expectClose = (
  what: string,
  differences: readonly number[],
  boundMs: { p50: number; p95: number },
): void => {
  const sorted = differences.map(Math.abs).sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
  const figures = { p50: at(0.5), p95: at(0.95), most: at(1) };
  const told = Object.entries(figures).map(([name, ms]) => `${name} ${ms.toFixed(3)}`);
  process.stdout.write(`${what}: ${sorted.length} figures, ${told.join(', ')} ms off the wire's\n`);
  expect(figures.p50).toBeLessThanOrEqual(boundMs.p50);
  expect(figures.p95).toBeLessThanOrEqual(boundMs.p95);
};

it('the round trips of path are those on the wire', () =>
  oneOfThree(async () => {
    const differencesMs: number[] = [];
    for (let run = 0; run < 3; run += 1) {
      const capture = await startCapture(lab, 'a2', 'apa', 'icmp');
      const { body } = await prober.path(pathProbe('crm.saas.test', { family: 'ipv4' }));
      await capture.stop();
      const onWire = await roundTripsOnWire(capture);
      for (const hop of body.hops) {
        const rttsMs = (onWire.get(hop.ttl) ?? []).sort((a, b) => a - b);
        expect(rttsMs.length, `answers at TTL ${hop.ttl}`).toBe(hop.receivedCount);
        differencesMs.push((hop.rttMinMs ?? Number.NaN) - (rttsMs[0] ?? Number.NaN));
        differencesMs.push((hop.rttMaxMs ?? Number.NaN) - (rttsMs.at(-1) ?? Number.NaN));
      }
    }
    expect(differencesMs.length).toBeGreaterThanOrEqual(3 * 2 * 8);
    expectClose('path', differencesMs, { p50: 0.3, p95: 1 });
  }));

it('the phases of an HTTP probe are those on the wire', () =>
  oneOfThree(async () => {
    // Slow: a first TLS record that fits a first flight, so that its first byte can be read at once.
    await lab.services.set('s1', { thinkMs: 30, bytesPerSecond: 100_000 });
    const capture = await startCapture(lab, 'a2', 'apa', 'tcp port 443 or udp port 53');
    const phases: (HttpPhases | undefined)[] = [];
    for (let run = 0; run < 15; run += 1) {
      const changes = { family: 'ipv4', httpVersion: '1.1' } as const;
      const probe = httpProbe('https://crm.saas.test/bytes/20000', changes);
      const { body, failure } = await prober.http(probe);
      expect(failure).toBeNull();
      phases.push(body.exchanges[0]?.phases);
    }
    await capture.stop();
    const onWire = await phasesOnWire(capture, { thinkMs: 30 });
    expect(onWire).toHaveLength(phases.length);
    for (const name of ['dnsMs', 'connectMs', 'tlsMs', 'waitMs', 'receiveMs'] as const) {
      const differences = onWire.map(
        (wire, run) => (phases[run]?.[name] ?? Number.NaN) - wire[name],
      );
      expectClose(name.replace('Ms', ''), differences, { p50: 1, p95: 3 });
    }
  }));
