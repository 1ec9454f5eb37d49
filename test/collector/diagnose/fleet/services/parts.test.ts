import { describe, expect, it } from 'vitest';
import { createEngine } from '#collector/diagnose/fleet/engine.ts';
import type { HttpReading, Reading } from '#collector/diagnose/fleet/reading.ts';
import { deviceReading, httpReading, startMs, tunnelReading } from '../feed.ts';

const binMs = 300_000;
const calmBins = 14;
const slowBins = 4;
const apps = ['crm', 'docs', 'wiki'];
const deviceCount = 12;

/** What is added to the parts of one run; `from` says whose and where. */
type Added = Partial<Record<'queueMs' | 'dnsMs' | 'tlsMs' | 'waitMs' | 'receiveMs', number>> & {
  lagMs?: number;
  fails?: boolean;
};
type Where = { device: number; edgeId: string; appId: string; address: string };
type Fault = (where: Where) => Added;

const idOf = (device: number): string =>
  `00000000-0000-4000-8000-${String(device + 1).padStart(12, '0')}`;
const wiggle = (...of: number[]): number =>
  (of.reduce((sum, each, i) => sum + each * (i + 1) * 0.618_033_988_75, 0) % 1) - 0.5;

/** Half of the devices on either edge, all with the same applications, each behind two addresses. */
const whereOf = (device: number, app: number): Where => ({
  device,
  edgeId: device % 2 === 0 ? 'edge-1' : 'edge-2',
  appId: apps[app] ?? '',
  address: `192.0.2.${10 * app + (device % 4 < 2 ? 1 : 2)}`,
});

const runOf = (bin: number, app: number, where: Where, added: Added): HttpReading => {
  const { device, edgeId, appId, address } = where;
  const { queueMs = 0, dnsMs = 0, tlsMs = 0, waitMs = 0, receiveMs = 0, lagMs = 0 } = added;
  const noise = (part: number, ms: number) => ms * wiggle(bin, device, app, part);
  const edge = { queueMs: 0.5 + queueMs, dnsMs: 1.5 + noise(1, 1) + dnsMs, connectMs: 10, address };
  const phases = {
    proxyConnectMs: 20 + edge.queueMs + edge.dnsMs + edge.connectMs + lagMs,
    tlsMs: 34 + noise(2, 3) + tlsMs + lagMs,
    waitMs: 80 + noise(3, 20) + waitMs + lagMs,
    receiveMs: 14 + noise(4, 4) + receiveMs + lagMs,
  };
  const totalMs = Object.values(phases).reduce((sum, ms) => sum + ms, 0);
  const timeMs = startMs + bin * binMs + 2_000 + device;
  const failed = { ok: false, failureType: 'tls.timed_out', totalMs: null, tlsMs: null };
  const of = { deviceId: idOf(device), edgeId, appId, probeId: `${appId}-http` };
  return httpReading(timeMs, { ...of, ...phases, totalMs, edge, ...(added.fails && failed) });
};

const readingsOf = (bin: number, fault: Fault): Reading[] =>
  Array.from({ length: deviceCount }).flatMap((_, device) => {
    const runs = apps.map((_, app) => {
      const where = whereOf(device, app);
      return { app, where, added: fault(where) };
    });
    const { edgeId } = whereOf(device, 0);
    const lagMs = 1 + Math.max(...runs.map(({ added }) => added.lagMs ?? 0));
    const at = startMs + bin * binMs + device;
    const of = { deviceId: idOf(device) };
    return [
      tunnelReading(at, { ...of, edgeId, controlRttMs: 20 + lagMs + wiggle(bin, device) }),
      deviceReading(at, { ...of, lagMs, siteId: idOf(device), gatewayRttMs: 2 + lagMs }),
      ...runs.map(({ app, where, added }) => runOf(bin, app, where, added)),
    ];
  });

/** What is said first of whom, once the fault has lasted some bins. */
const saidOf = (fault: Fault): string[] => {
  const engine = createEngine({ binMs, facts: { devices: {}, edges: {}, applications: {} } });
  let said: string[] = [];
  for (let bin = 0; bin < calmBins + slowBins; bin += 1) {
    for (const one of readingsOf(bin, bin < calmBins ? () => ({}) : fault)) engine.observe(one);
    const verdicts = engine.advanceTo(startMs + (bin + 1) * binMs).at(-1)?.verdicts ?? [];
    if (bin < calmBins && verdicts.length > 0) throw new Error('not calm');
    said = verdicts.map(({ deviceId, appId, causes }) => {
      const [cause] = causes ?? [];
      const device = Number(deviceId.slice(-12)) - 1;
      return `${device} ${appId}: ${cause?.family} ${cause?.segment} ${cause?.element.id}`;
    });
  }
  return said;
};
const expected = (cause: string, isHit: (where: Where) => boolean): string[] =>
  Array.from({ length: deviceCount })
    .flatMap((_, device) => apps.map((_, app) => whereOf(device, app)))
    .filter(isHit)
    .map(({ device, appId }) => `${device} ${appId}: ${cause}`);

const on = (isHit: (where: Where) => boolean, added: Added): Fault => {
  return (where) => (isHit(where) ? added : {});
};
const atEdge = ({ edgeId }: Where) => edgeId === 'edge-1';
const of = (id: string) => (where: Where) => where.appId === id;
const first = ({ device }: Where) => device === 0;

describe('which part grows, and where, tells', () => {
  it.each([
    ['an edge whose requests queue', 'edge in-edge edge-1', atEdge, { queueMs: 120, tlsMs: 36 }],
    ['an edge that inspects slowly', 'tls tls edge-1', atEdge, { tlsMs: 150 }],
    ['an origin that shakes hands slowly', 'tls tls crm', of('crm'), { tlsMs: 150 }],
    ['answers that take their time', 'transfer transfer docs', of('docs'), { receiveMs: 200 }],
    ['a server that thinks', 'application server wiki', of('wiki'), { waitMs: 150 }],
    ['an edge’s resolver', 'edge-dns dns edge-1', atEdge, { dnsMs: 150 }],
    ['an application’s name servers', 'application-dns dns crm', of('crm'), { dnsMs: 150 }],
    ['one device’s late timers', `device device ${idOf(0)}`, first, { lagMs: 40 }],
    ['one device’s full line', `transfer transfer ${idOf(0)}`, first, { receiveMs: 200 }],
  ] as const)('%s', (_, cause, isHit, added) => {
    expect(saidOf(on(isHit, added))).toEqual(expected(cause, isHit));
  });

  it('one of two addresses behind which an application thinks', () => {
    const isHit = ({ appId, address }: Where) => appId === 'crm' && address === '192.0.2.1';
    expect(saidOf(on(isHit, { waitMs: 150 }))).toEqual(
      expected('front-end server 192.0.2.1', isHit),
    );
  });

  it('two applications that hang after connecting behind one edge: a hole for large packets', () => {
    const isHit = (where: Where) => atEdge(where) && where.appId !== 'wiki';
    const said = saidOf(on(isHit, { fails: true }));
    expect(said).toHaveLength(12);
    expect(said.every((one) => one.includes('mtu edge-origin'))).toBe(true);
  });
});
