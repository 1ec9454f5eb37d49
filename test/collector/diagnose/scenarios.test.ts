import { describe, expect, it } from 'vitest';
import { check } from '#contract/check.ts';
import type { Segment } from '#contract/verdict.ts';
import { Verdict } from '#contract/verdict.ts';
import type { World } from './recording.ts';
import { calm, minuteMs, pageRun, pathRun, startMs } from './recording.ts';
import { lastOf, many, recordsOf, type Story, tell, verdictsOf } from './story.ts';

const slowed: { segment: Segment; world: Partial<World>; addedMs: number }[] = [
  { segment: 'device', world: { lagMs: calm.lagMs + 20 }, addedMs: 60 },
  { segment: 'gateway', world: { gatewayMs: calm.gatewayMs + 40 }, addedMs: 120 },
  { segment: 'client-edge', world: { pathMs: calm.pathMs + 40 }, addedMs: 120 },
  { segment: 'tunnel-queue', world: { queueMs: calm.queueMs + 60 }, addedMs: 180 },
  { segment: 'in-edge', world: { edgeQueueMs: calm.edgeQueueMs + 80 }, addedMs: 80 },
  { segment: 'in-edge', world: { edgeLagMs: calm.edgeLagMs + 30 }, addedMs: 90 },
  { segment: 'in-edge', world: { edgeLagMs: calm.edgeLagMs + 30, edgePasses: 2 }, addedMs: 180 },
  { segment: 'edge-origin', world: { onwardMs: calm.onwardMs + 40 }, addedMs: 120 },
  { segment: 'edge-origin', world: { edgeWaitedMs: 300 }, addedMs: 300 },
  { segment: 'dns', world: { dnsMs: calm.dnsMs + 300 }, addedMs: 300 },
  { segment: 'tls', world: { tlsMs: calm.tlsMs + 150 }, addedMs: 150 },
  { segment: 'server', world: { serverMs: calm.serverMs + 700 }, addedMs: 700 },
  { segment: 'transfer', world: { transferMs: calm.transferMs + 200 }, addedMs: 200 },
];

describe('a segment made slow is named, with its milliseconds', () => {
  it.each(slowed)('$segment, $addedMs ms', ({ segment, world, addedMs }) => {
    const verdicts = tell({ minutes: [...many(12), ...many(2, { world })] });
    expect(verdicts.at(-3)?.state).toBe('ok');
    expect(verdicts.at(-2)?.state).toBe('ok');
    const verdict = lastOf(verdicts);
    expect(verdict).toMatchObject({ state: 'slow', segment, baselineFrom: 'own-past' });
    expect(Math.abs((verdict.addedMs ?? 0) - addedMs)).toBeLessThan(Math.max(8, 0.1 * addedMs));
    expect(verdict.confidence).toBeGreaterThan(0.5);
    expect(verdict.score).toBeLessThan(66);
    expect(verdict.evidence[0]).toMatchObject({ finding: 'against', segment });
    expect(check(Verdict, verdict)).toMatchObject({ ok: true });
  });

  it('an edge that wakes late with the request and with the answer leaves nothing unexplained', () => {
    const world = { edgeLagMs: 30, edgePasses: 2 };
    const verdict = lastOf(tell({ minutes: [...many(12), ...many(2, { world })] }));
    expect(verdict.ledger?.residualMs).toBeLessThan(0.05 * (verdict.totalMs ?? 0));
  });

  it('an address that does not answer is the path’s, and said, with the family that does', () => {
    const world = { edgeWaitedMs: 300 };
    const verdict = lastOf(tell({ minutes: [...many(12), ...many(2, { world })] }));
    expect(verdict.ledger?.residualMs).toBeLessThan(0.05 * (verdict.totalMs ?? 0));
    expect(verdict.evidence.map(({ text }) => text)).toContain(
      'The edge waited 300 ms for an address of the application that did not answer, before 192.0.2.7 (IPv4) did.',
    );
  });

  it('on a straight run too, where no edge is on the way', () => {
    const world = { serverMs: 700 };
    const verdict = lastOf(tell({ via: ['direct'], minutes: [...many(8), ...many(2, { world })] }));
    expect(verdict).toMatchObject({ state: 'slow', segment: 'server' });
    const empty = verdict.ledger?.parts.filter((part) => part.ms === null).map((p) => p.segment);
    expect(empty).toEqual(['tunnel-queue', 'in-edge', 'edge-origin', 'page']);
  });

  it('and the network path is named where there is no edge', () => {
    const world = { pathMs: 90 };
    const verdict = lastOf(tell({ via: ['direct'], minutes: [...many(8), ...many(2, { world })] }));
    expect(verdict).toMatchObject({ state: 'slow', segment: 'client-edge' });
    expect(verdict.sentence).toContain('the network path to the application');
  });
});

describe('the sentence', () => {
  it('can be read out: who, where, since when, how much, against what, and what is fine', () => {
    const verdict = lastOf(
      tell({ minutes: [...many(10), ...many(2, { world: { serverMs: 705 } })] }),
    );
    expect(verdict.sentence).toMatch(
      /^Payroll is slow on LAPTOP-7 since 09:10 UTC: its server takes 7\d\d ms to answer, 6\d\d ms more than usual; network, tunnel and edge are normal\.$/,
    );
    expect(verdict.action).toContain('application’s owner');
  });
});

describe('an application that is slow from its first run', () => {
  const others = { mail: { serverMs: 5 }, wiki: { serverMs: 5 }, crm: { serverMs: 40 } };
  const world = { serverMs: 705 };

  it('is named after two runs, against the device’s other applications', () => {
    const named = lastOf(
      tell({
        others,
        minutes: many(2, { world }),
      }),
    );
    expect(named).toMatchObject({
      state: 'slow',
      segment: 'server',
      baselineFrom: 'other-applications',
    });
    expect(named.addedMs).toBeGreaterThan(680);
    expect(named.addedMs).toBeLessThan(740);
    expect(named.sentence).toContain('more than this device’s other applications');
    expect(named.confidence).toBeGreaterThanOrEqual(0.5);
  });

  it('never becomes its own normal within the window', () => {
    const verdicts = tell({
      others: { mail: { serverMs: 5 }, wiki: { serverMs: 5 } },
      minutes: many(60, { world }),
    });
    expect(new Set(verdicts.slice(1).map((verdict) => verdict.state))).toEqual(new Set(['slow']));
  });

  it('is inconclusive after one run: one run is not enough', () => {
    const verdict = lastOf(tell({ others, minutes: many(1, { world }) }));
    expect(verdict).toMatchObject({ state: 'inconclusive', score: null });
    expect(verdict.sentence).toContain('1 of 2 runs');
  });

  it('is inconclusive without a past and without other applications', () => {
    const verdict = lastOf(tell({ minutes: many(4, { world }) }));
    expect(verdict).toMatchObject({ state: 'inconclusive', baselineFrom: 'none', score: null });
    expect(verdict.sentence).toContain('4 of 6 runs');
  });
});

describe('what must not raise a verdict', () => {
  const quiet: { name: string; story: Story }[] = [
    {
      name: 'one single slow run',
      story: { minutes: [...many(8), { world: { serverMs: 900 } }, ...many(1)] },
    },
    {
      name: 'a busy CPU that holds nothing up',
      story: { minutes: [...many(8), ...many(3, { world: { cpuRatio: 0.98 } })] },
    },
    {
      name: 'a busy edge CPU without queueing',
      story: { minutes: [...many(8), ...many(3, { world: { edgeCpuRatio: 0.97 } })] },
    },
    {
      name: 'cold look-ups after cached ones',
      story: {
        minutes: [...many(8, { world: { dnsMs: 0.3 } }), ...many(3, { world: { dnsMs: 70 } })],
      },
    },
    {
      name: 'a gateway that only answers pings late',
      story: { minutes: [...many(8), ...many(3, { world: { gatewayPingMs: 80 } })] },
    },
  ];
  it.each(quiet)('$name', ({ story }) => {
    for (const verdict of tell(story).slice(6)) expect(verdict.state).toBe('ok');
  });

  it('distorted runs: they are left out and the evidence says why', () => {
    const run = { distortion: 'agent-overloaded' } as const;
    const verdict = lastOf(
      tell({ minutes: [...many(8), ...many(2, { world: { serverMs: 900 }, run })] }),
    );
    expect(verdict.state).toBe('ok');
    expect(verdict.evidence.map((line) => line.text)).toContainEqual(
      expect.stringContaining('2 runs left out: the agent was overloaded'),
    );
  });

  it('a late hop and a silent one: they are cleared, not blamed', () => {
    const records = recordsOf({ minutes: [...many(8), ...many(3)] });
    const traces = Array.from({ length: 10 }, (_, i) =>
      pathRun(startMs + i * minuteMs + 5_000, [2, 8, i < 8 ? 9 : 120, null, 16]),
    );
    const verdict = lastOf(verdictsOf([...traces, ...records]));
    expect(verdict.state).toBe('ok');
    const texts = verdict.evidence.map((line) => line.text);
    expect(texts).toContainEqual(expect.stringContaining('Hop 3 (10.0.3.1) answers late'));
    expect(texts.some((text) => text.includes('slower than before'))).toBe(false);
  });
});

describe('evidence', () => {
  it('names the first hop from which the path is slower and stays so', () => {
    const world = { pathMs: 60 };
    const records = recordsOf({ minutes: [...many(8), ...many(3, { world })] });
    const traces = Array.from({ length: 11 }, (_, i) =>
      pathRun(startMs + i * minuteMs + 5_000, i < 8 ? [2, 8, 9, null, 16] : [2, 8, 55, null, 62]),
    );
    const verdict = lastOf(verdictsOf([...traces, ...records]));
    expect(verdict.segment).toBe('client-edge');
    expect(verdict.evidence.map((line) => line.text)).toContainEqual(
      expect.stringContaining(
        '46 ms slower than before from between hop 2 (10.0.2.1) and hop 3 (10.0.3.1) on',
      ),
    );
  });

  it('clears the tunnel when the straight request is as slow', () => {
    const verdict = lastOf(
      tell({
        via: ['direct', 'tunnel'],
        minutes: [...many(8), ...many(3, { world: { serverMs: 700 } })],
      }),
    );
    expect(verdict.segment).toBe('server');
    expect(verdict.evidence).toContainEqual(
      expect.objectContaining({
        finding: 'cleared',
        text: expect.stringContaining('it is not the tunnel'),
      }),
    );
  });

  it('says that a busy CPU was checked and is not the cause', () => {
    const verdict = lastOf(
      tell({ minutes: [...many(8), ...many(2, { world: { serverMs: 700, cpuRatio: 0.98 } })] }),
    );
    expect(verdict.segment).toBe('server');
    expect(verdict.evidence).toContainEqual(
      expect.objectContaining({
        finding: 'cleared',
        segment: 'device',
        text: expect.stringContaining('not a cause'),
      }),
    );
  });
});

describe('two at once', () => {
  it('share the blame when they are within a fifth of each other, less surely', () => {
    const world = { serverMs: calm.serverMs + 300, dnsMs: calm.dnsMs + 280 };
    const verdict = lastOf(tell({ minutes: [...many(8), ...many(2, { world })] }));
    const alone = lastOf(tell({ minutes: [...many(8), ...many(2, { world: { serverMs: 325 } })] }));
    expect(verdict).toMatchObject({ state: 'slow', segment: 'server' });
    expect(verdict.sentence).toContain(
      'The blame is shared: looking its name up at edge Amsterdam',
    );
    expect(verdict.confidence).toBeLessThan(alone.confidence);
  });

  it('the larger one is named when it is clearly larger', () => {
    const world = { serverMs: calm.serverMs + 300, pathMs: calm.pathMs + 30 };
    const verdict = lastOf(tell({ minutes: [...many(8), ...many(2, { world })] }));
    expect(verdict).toMatchObject({ state: 'slow', segment: 'server' });
    expect(verdict.sentence).not.toContain('shared');
    expect(verdict.sentence).not.toContain('network');
  });
});

describe('what was not measured', () => {
  it('is null, and its time stays in the residual', () => {
    const verdict = lastOf(tell({ minutes: many(8, { skip: ['tunnel', 'device'] }) }));
    const part = (segment: Segment) =>
      verdict.ledger?.parts.find((each) => each.segment === segment)?.ms;
    expect(part('client-edge')).toBeNull();
    expect(part('gateway')).toBeNull();
    expect(part('tunnel-queue')).toBeNull();
    expect(verdict.ledger?.residualMs).toBeGreaterThan(3 * (calm.pathMs + calm.gatewayMs) - 2);
  });

  it('does not keep a slow server from being named', () => {
    const skip = ['tunnel', 'device'] as const;
    const verdict = lastOf(
      tell({ minutes: [...many(8, { skip }), ...many(2, { skip, world: { serverMs: 700 } })] }),
    );
    expect(verdict).toMatchObject({ state: 'slow', segment: 'server' });
  });

  it('makes it inconclusive when the time went there, and says what is missing', () => {
    const skip = ['tunnel'] as const;
    const verdict = lastOf(
      tell({ minutes: [...many(8, { skip }), ...many(2, { skip, world: { pathMs: 90 } })] }),
    );
    expect(verdict).toMatchObject({ state: 'inconclusive', segment: null, score: null });
    expect(verdict.sentence).toContain('no sample of the device’s tunnel');
  });

  it('is not blamed on the server when the tunnel’s samples are older than the fault', () => {
    const records = recordsOf({
      minutes: [...many(8), ...many(2, { world: { pathMs: 90 }, skip: ['tunnel'] })],
    });
    const verdict = lastOf(verdictsOf(records));
    expect(verdict.segment).not.toBe('server');
    expect(verdict.state).toBe('inconclusive');
  });
});

describe('failing', () => {
  const failing: {
    type: 'edge.dns_failed' | 'edge.dial_failed' | 'tls.cert.date_invalid' | 'tunnel.down';
    message: string;
    segment: Segment;
  }[] = [
    { type: 'edge.dns_failed', message: 'no such name', segment: 'dns' },
    { type: 'edge.dial_failed', message: 'connection_timeout', segment: 'edge-origin' },
    { type: 'edge.dial_failed', message: 'connection_refused', segment: 'server' },
    { type: 'tls.cert.date_invalid', message: 'certificate has expired', segment: 'tls' },
    { type: 'tunnel.down', message: 'no tunnel', segment: 'client-edge' },
  ];
  it.each(failing)('$type ($message) points at $segment', ({ type, message, segment }) => {
    const run = { failure: { type, message } };
    const verdicts = tell({ minutes: [...many(6), ...many(2, { run })] });
    expect(verdicts.at(-2)?.state).toBe('ok');
    expect(lastOf(verdicts)).toMatchObject({ state: 'failing', segment, score: 0 });
    expect(check(Verdict, lastOf(verdicts))).toMatchObject({ ok: true });
  });

  it('policy is not a failure of the application', () => {
    const run = { failure: { type: 'policy.blocked', message: 'rule no-games' } } as const;
    const verdict = lastOf(tell({ minutes: [...many(6), ...many(2, { run })] }));
    expect(verdict).toMatchObject({ state: 'inconclusive', segment: null, score: null });
    expect(verdict.sentence).toContain('policy blocks it (rule no-games)');
  });

  it('a captive portal blames no application', () => {
    const run = { failure: { type: 'agent.captive_portal', message: 'portal' } } as const;
    const verdict = lastOf(tell({ minutes: [...many(6), ...many(2, { run })] }));
    expect(verdict.state).toBe('ok');
    expect(verdict.evidence.map((line) => line.text)).toContainEqual(
      expect.stringContaining('a captive portal answered'),
    );
  });
});

describe('pages', () => {
  const pages = (slow: number) => {
    const records = recordsOf({ minutes: many(10) });
    const loads = Array.from({ length: 10 }, (_, i) =>
      i < 10 - slow
        ? pageRun(startMs + i * minuteMs + 30_000, 600 + i, 120)
        : pageRun(startMs + i * minuteMs + 30_000, 1_500 + i, 1_020),
    );
    return [...records, ...loads].sort((a, b) => when(a) - when(b));
  };
  const when = (record: object): number =>
    (record as { startedAt?: number; at?: number }).startedAt ?? (record as { at: number }).at;

  it('a page that has become slow while its request has not names its host', () => {
    const verdict = lastOf(verdictsOf(pages(2)));
    expect(verdict).toMatchObject({ state: 'slow', segment: 'page' });
    expect(verdict.addedMs).toBeGreaterThan(880);
    expect(verdict.sentence).toContain('it waits for cdn.example, 1020 ms (usually 120 ms)');
    expect(check(Verdict, verdict)).toMatchObject({ ok: true });
  });

  it('one slow page load is no trend', () => {
    expect(lastOf(verdictsOf(pages(1))).state).toBe('ok');
  });
});

describe('recovery', () => {
  it('is ok again with the first good run after the fault', () => {
    const verdicts = tell({
      minutes: [...many(8), ...many(5, { world: { serverMs: 700 } }), ...many(3)],
    });
    const states = verdicts.map((verdict) => verdict.state);
    expect(states.slice(-8)).toEqual(['ok', 'slow', 'slow', 'slow', 'slow', 'ok', 'ok', 'ok']);
  });
});
