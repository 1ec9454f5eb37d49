import { describe, expect, test } from 'vitest';
import { settle } from '#collector/fleet/settle.ts';
import { nextIncident } from '#collector/incident/lifecycle.ts';
import { incidentMessages } from '#collector/notify/incident-messages.ts';
import { messagesFor } from '#collector/notify/messages.ts';
import { check } from '#contract/check.ts';
import type { Verdict } from '#contract/verdict.ts';
import { Verdict as VerdictSchema } from '#contract/verdict.ts';
import { IncidentMessage, WebhookMessage } from '#contract/webhook.ts';
import { seedDevices } from '#test/support/seed.ts';
import { verdictOf } from '#test/support/seed-verdicts.ts';
import { tinyEngines } from './tiny-engine.ts';

const binMs = 60_000;
const nowMs = 1_790_000_040_000;
const [anna] = seedDevices;
const runOf = (story: string): Verdict => ({
  ...verdictOf(anna, { id: 'crm', name: 'CRM', story }, nowMs),
  at: nowMs,
});

/** What the fleet's engine said of a bin in which this device and another one were slow. */
const bin = async (endMs: number) => {
  const engine = await tinyEngines().make({
    binMs,
    facts: { devices: {}, edges: {}, applications: {} },
  });
  for (const deviceId of [anna.id, seedDevices[1].id]) {
    const run = { kind: 'http', timeMs: endMs - 1_000, deviceId, appId: 'crm', totalMs: 700 };
    await engine.observe([run as never]);
  }
  const [outcome] = await engine.advanceTo(endMs);
  const [verdict] = outcome?.verdicts ?? [];
  const [incident] = outcome?.incidents ?? [];
  if (!verdict || !incident) throw new Error('the engine says nothing');
  return { standing: { ...verdict, deviceId: anna.id }, incident };
};
const endMs = Math.floor(nowMs / binMs) * binMs;
const { standing, incident } = await bin(endMs);

describe('the runs’ verdict and the fleet’s', () => {
  test('where the runs are slow and the fleet has a cause, the cause is the answer and the split the runs’', () => {
    const run = runOf('path-slow');
    const settled = settle(run, standing);
    expect(settled).toMatchObject({
      state: 'slow',
      segment: 'server',
      addedMs: 600,
      confidence: 0.9,
      sentence: standing.sentence,
      action: standing.action,
      causes: standing.causes,
      at: run.at,
      totalMs: run.totalMs,
      score: run.score,
      ledger: run.ledger,
    });
    // What the runs blamed is no more than context now.
    expect(settled.evidence.filter(({ finding }) => finding === 'against')).toEqual([]);
    expect(check(VerdictSchema, settled).ok).toBe(true);
  });

  test('a way that is slower too is not the answer while the runs show a far larger part elsewhere', () => {
    const run = runOf('server-slow');
    const onWay = (addedMs: number, more: object = {}) => ({
      ...standing,
      addedMs,
      segment: 'client-edge' as const,
      evidence: [{ ...run.evidence[0], text: 'The way.' } as Verdict['evidence'][number]],
      causes: (standing.causes ?? []).map((one) => ({
        ...{ ...one, addedMs, segment: 'client-edge' as const, family: 'link' as const },
        ...more,
      })),
    });
    expect(run).toMatchObject({ state: 'slow', segment: 'server' });
    const small = (run.addedMs ?? 0) / 4;
    const settled = settle(run, onWay(small));
    expect(settled).toMatchObject({ segment: 'server', sentence: run.sentence });
    expect(settled.evidence.at(-1)).toMatchObject({ text: 'The way.' });
    expect(check(VerdictSchema, settled).ok).toBe(true);
    expect(settle(run, onWay((run.addedMs ?? 0) / 1.5)).segment).toBe('client-edge');
    expect(settle(run, onWay(small, { kind: 'loss' })).segment).toBe('client-edge');
  });

  test('where the runs could not say where, the fleet’s cause says it', () => {
    const settled = settle(runOf('hostile'), standing);
    expect(settled).toMatchObject({ state: 'slow', segment: 'server', score: standing.score });
  });

  test('loss that most requests escape stays the answer while two of them were lucky', () => {
    const lost = (standing.causes ?? []).map((cause) => ({ ...cause, kind: 'loss' as const }));
    const settled = settle(runOf('ok'), { ...standing, causes: lost });
    expect(settled).toMatchObject({ state: 'slow', score: standing.score, causes: lost });
    expect(settle(runOf('ok'), standing).state).toBe('ok');
    const ofShortBin = { ...standing, binMs: 4_000, at: nowMs - 25_000 };
    expect(settle(runOf('ok'), { ...ofShortBin, causes: lost }).state).toBe('slow');
    expect(settle(runOf('path-slow'), ofShortBin).causes).toBeUndefined();
    const past = { ...ofShortBin, at: nowMs - 31_000, causes: lost };
    expect(settle(runOf('ok'), past).state).toBe('ok');
  });

  test('runs that were left out are not slow, whatever the fleet says', () => {
    const run = { ...runOf('hostile'), totalMs: null };
    expect(settle(run, standing)).toBe(run);
  });

  test('runs that were left out because the device is late are what the fleet says of the device', () => {
    const run = { ...runOf('hostile'), totalMs: null };
    const causes = (standing.causes ?? []).map((cause) => ({
      ...cause,
      family: 'device' as const,
      segment: 'device' as const,
    }));
    const late = { ...standing, segment: 'device' as const, causes };
    expect(settle(run, late)).toMatchObject({ state: 'slow', segment: 'device', causes });
  });

  test('where the runs are fine again they are fine', () => {
    const run = runOf('fine');
    expect(settle(run, standing)).toBe(run);
  });

  test('where the fleet has no cause, or does not say which, the runs’ answer stands', () => {
    const run = runOf('path-slow');
    expect(settle(run, undefined)).toBe(run);
    expect(settle(run, { ...standing, causes: [] })).toBe(run);
    expect(settle(run, { ...standing, state: 'inconclusive' })).toBe(run);
  });

  test('what does not get through is not explained by what is slow', () => {
    const run = runOf('blocked');
    expect(settle(run, standing)).toBe(run);
    expect(settle(run, { ...standing, state: 'failing' })).toMatchObject({
      state: 'failing',
      segment: 'server',
    });
  });

  test('what gets through again, if slowly, is no failure any more', () => {
    const run = runOf('path-slow');
    expect(settle(run, { ...standing, state: 'failing' })).toBe(run);
  });

  test.each([
    ['two bins on it still stands', 2 * binMs, true],
    ['later it is no word about now', 2 * binMs + 1, false],
    ['of a run just before the bin it speaks too', -2 * binMs + 1, true],
    ['of an older one it does not', -2 * binMs, false],
  ])('%s', (_, afterMs, stands) => {
    const run = { ...runOf('path-slow'), at: endMs + afterMs };
    expect(settle(run, standing).causes !== undefined).toBe(stands);
  });
});

describe('the messages of a device and of a shared incident', () => {
  const rule = { url: 'https://desk.test/', secret: `whsec_${'a'.repeat(32)}` };
  const webhooks = [
    { id: 'both', ...rule },
    { id: 'each', ...rule, eachDevice: true },
    { id: 'devices', ...rule, events: ['verdict.opened' as const, 'verdict.closed' as const] },
  ];
  const context = {
    webhooks,
    applicationName: 'CRM',
    deviceName: 'anna',
    url: 'http://pages/x',
    now: nowMs,
  };
  const shared = { id: incident.id, live: true, toldTo: ['both', 'each'] };
  const slow = settle(runOf('server-slow'), standing);
  const hooks = (made: ReturnType<typeof messagesFor>) =>
    made.deliveries.map(({ webhookId, eventType }) => `${webhookId} ${eventType}`);

  test('by itself a device’s incident is told to all', () => {
    const told = messagesFor(nextIncident(undefined, slow), {
      ...context,
      verdict: slow,
      shared: undefined,
    });
    expect(hooks(told)).toEqual([
      'both verdict.opened',
      'each verdict.opened',
      'devices verdict.opened',
    ]);
    expect(told.step.incident?.toldBy).toBeNull();
    expect(check(WebhookMessage, JSON.parse(told.deliveries[0]?.body ?? '')).ok).toBe(true);
  });

  test('who heard of the shared incident hears of no device, of beginning or end', () => {
    const opened = messagesFor(nextIncident(undefined, slow), {
      ...context,
      verdict: slow,
      shared,
    });
    expect(hooks(opened)).toEqual(['each verdict.opened', 'devices verdict.opened']);
    expect(opened.step.incident?.toldBy).toBe(incident.id);

    let current = opened.step.incident;
    const said: string[] = [];
    for (const after of [1, 2, 3]) {
      const verdict = { ...runOf('fine'), at: nowMs + after };
      const over = { ...shared, live: false };
      const made = messagesFor(nextIncident(current, verdict), {
        ...context,
        verdict,
        shared: over,
      });
      current = made.step.incident;
      said.push(...hooks(made));
    }
    expect(said).toEqual(['each verdict.closed', 'devices verdict.closed']);
  });

  test('a device that is slow still when the shared incident has ended is told then, once', () => {
    const first = messagesFor(nextIncident(undefined, slow), { ...context, verdict: slow, shared });
    const over = { ...shared, live: false };
    const later = { ...runOf('server-slow'), at: nowMs + 1 };
    const told = messagesFor(nextIncident(first.step.incident, later), {
      ...context,
      verdict: later,
      shared: over,
    });
    expect(hooks(told)).toEqual(['both verdict.opened']);
    const latest = { ...later, at: nowMs + 2 };
    const again = messagesFor(nextIncident(told.step.incident, latest), {
      ...context,
      verdict: latest,
      shared: over,
    });
    expect(hooks(again)).toEqual([]);
  });

  test('an incident that comes back after its end was told begins and ends once more', () => {
    const row = {
      ...{ id: incident.id, live: true, incident, affected: [], history: [] },
      ...{ toldTo: [] as string[], endTold: false },
    };
    const tell = (state: { live: boolean; toldTo: string[]; endTold: boolean }) =>
      incidentMessages({ ...row, ...state }, context);
    const types = ({ deliveries }: ReturnType<typeof tell>) =>
      deliveries.map(({ eventType }) => eventType);
    const opened = tell({ live: true, toldTo: [], endTold: false });
    expect(check(IncidentMessage, JSON.parse(opened.deliveries[0]?.body ?? '')).ok).toBe(true);
    const closed = tell({ ...opened, live: false });
    const reopened = tell({ ...closed, live: true });
    const reclosed = tell({ ...reopened, live: false });
    const twice = tell({ ...reclosed, live: false });
    expect([opened, closed, reopened, reclosed, twice].map(types)).toEqual([
      ['incident.opened', 'incident.opened'],
      ['incident.closed', 'incident.closed'],
      ['incident.opened', 'incident.opened'],
      ['incident.closed', 'incident.closed'],
      [],
    ]);
  });
});
