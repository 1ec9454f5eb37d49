import { describe, expect, it } from 'vitest';
import { allOn } from '#collector/diagnose/fleet/accepted.ts';
import type { DeviceView, OnwardView } from '#collector/diagnose/fleet/bin-view.ts';
import { lastMileClaims } from '#collector/diagnose/fleet/causes/last-mile.ts';
import { inferNetwork } from '#collector/diagnose/fleet/network/infer-network.ts';
import { deviceUnit } from '#collector/diagnose/fleet/network/unit.ts';
import { application, delta, device, fresh, loss, trace, view } from './world.ts';

const infer = (devices: DeviceView[], onward: OnwardView[] = [], former: string[] = []) =>
  inferNetwork(view(devices, onward), new Set(former), allOn);

const named = (found: ReturnType<typeof infer>) =>
  found.map(({ family, kind, element }) => `${family} ${kind} ${element.id}`);

/** Gateway, access router, core, border, edge. */
const route = (
  added: Partial<Record<'access' | 'core' | 'border' | 'end', number>>,
  core = 'core-1',
) =>
  trace(
    [
      { address: '192.168.1.1' },
      { address: '198.51.100.1', addedMs: added.access ?? 0 },
      { address: core, addedMs: added.core ?? 0 },
      { address: '198.51.100.9', addedMs: added.border ?? 0 },
      { address: '203.0.113.200', addedMs: added.end ?? 0 },
    ],
    added.end ?? 0,
  );

const shifted = (addedMs: number, make = delta) => ({
  underlay: make(addedMs),
  tunnel: make(addedMs),
});

const calm = (index: number, changes: Partial<DeviceView> = {}) =>
  device(index, { deviceId: `device-${index}`, trace: route({}), ...changes });

const homes = (count: number, from = 0, changes: Partial<DeviceView> = {}) =>
  Array.from({ length: count }, (_, at) => calm(from + at, changes));

describe('causes on the way from devices to edges', () => {
  it('finds nothing in a calm fleet', () => {
    expect(infer(homes(6))).toEqual([]);
  });

  it('names the Wi-Fi of a device whose gateway is slow to answer', () => {
    const all = { access: 40, core: 41, border: 40, end: 40 };
    const slow = calm(0, { gateway: delta(40, 0.6), ...shifted(41), trace: route(all) });
    const found = infer([slow, ...homes(5, 1)]);
    expect(named(found)).toEqual(['wifi delay device-0']);
    expect(Math.abs((found[0]?.addedMs ?? 0) - 40.5)).toBeLessThan(2);
    expect(found[0]?.costMs(0, 'mail')).toBeCloseTo(5 * 40.5, -1);
    expect(found[0]?.costMs(1, 'mail')).toBe(0);
  });

  it('calls it the wired link on a cable', () => {
    const slow = calm(0, {
      linkType: 'wired',
      gateway: delta(40, 0.6),
      ...shifted(41),
      trace: null,
    });
    expect(infer([slow])[0]?.element.name).toBe('wired link of device-0');
  });

  it('names the gateway when the devices behind it are slow together', () => {
    const slow = homes(4, 0, {
      siteId: 'office',
      gateway: delta(40, 0.6),
      ...shifted(41),
      trace: null,
    });
    expect(named(infer([...slow, ...homes(4, 4)]))).toEqual(['gateway delay office']);
  });

  it('takes a site that is called what a device is for another place than that device’s', () => {
    const guest = calm(1, { siteId: 'device-0', ...shifted(30), trace: null });
    const host = calm(0, { ...shifted(30), trace: null });
    expect(deviceUnit(guest).site).not.toBe(deviceUnit(host).site);
    const keys = [guest, host].flatMap((one) => lastMileClaims(deviceUnit(one)));
    expect(new Set(keys.map(({ key }) => key)).size).toBe(2);
    expect(keys.map((claim) => claim.about().element.id)).toEqual(['device-0', 'device-0']);
  });

  it('names the access line when the gateway is well and the first hop outside is not', () => {
    const slow = calm(0, {
      ...shifted(30),
      trace: route({ access: 30, core: 30, border: 30, end: 30 }),
    });
    const found = infer([slow, ...homes(5, 1)]);
    expect(named(found)).toEqual(['last-mile delay device-0']);
    expect(found[0]?.elementFor(0, 'mail')).toMatchObject({
      id: 'device-0',
      from: '192.168.1.1',
      to: '198.51.100.1',
    });
  });

  it('names the access network’s region when all its homes are slow', () => {
    const slow = homes(6, 0, {
      ...shifted(30),
      trace: route({ access: 30, core: 30, border: 30, end: 30 }),
    });
    const found = infer(slow);
    expect(named(found)).toEqual(['isp-region delay AS64500/west']);
    expect(found[0]?.observerCount).toBe(6);
  });

  it('names the stretch before the first slow hop, and clears what healthy devices cross', () => {
    const slow = homes(3, 0, { ...shifted(25), trace: route({ core: 25, border: 25, end: 25 }) });
    const well = homes(5, 3, { trace: route({}, 'core-2') });
    const found = infer([...slow, ...well]);
    expect(found).toHaveLength(1);
    expect(found[0]?.elementFor(0, 'mail')).toMatchObject({ from: '198.51.100.1', to: 'core-1' });
    expect(found[0]?.costMs(4, 'mail')).toBe(0);
    expect(found[0]?.segment).toBe('client-edge');
  });

  it('is not misled by a router that is slow to answer for itself', () => {
    const odd = homes(4, 0, { trace: route({ core: 150 }) });
    expect(infer([...odd, ...homes(4, 4, { trace: route({}, 'core-2') })])).toEqual([]);
  });

  it('counts the silent hops of a stretch', () => {
    const path = trace(
      [
        { address: '192.168.1.1' },
        { address: '198.51.100.1' },
        { address: null },
        { address: null },
        { address: '198.51.100.9', addedMs: 25 },
        { address: '203.0.113.200', addedMs: 25 },
      ],
      25,
    );
    const found = infer(homes(1, 0, { ...shifted(25), trace: path }));
    expect(found[0]?.elementFor(0, 'mail')).toMatchObject({
      from: '198.51.100.1',
      to: '198.51.100.9',
      silentHopCount: 2,
    });
  });

  it('names the tunnel’s client when the way outside of the tunnel is well', () => {
    const slow = calm(0, { tunnel: delta(35), queue: delta(34, 0.3) });
    const found = infer([slow, ...homes(5, 1)]);
    expect(named(found)).toEqual(['tunnel-client delay device-0']);
    expect(found[0]?.segment).toBe('tunnel-queue');
  });

  it('names the version that all slow tunnels run', () => {
    const slow = homes(4, 0, {
      tunnel: delta(35),
      queue: delta(34, 0.3),
      facts: { programVersion: '2.0' },
    });
    const well = homes(6, 4, { facts: { programVersion: '1.9' } });
    expect(named(infer([...slow, ...well]))).toEqual(['tunnel-cohort delay programVersion=2.0']);
  });

  it('names the tunnel’s end at an edge when its devices’ queues are empty', () => {
    const slow = homes(5, 0, { tunnel: delta(35), facts: { programVersion: '2.0' } });
    const well = homes(5, 5, { edgeId: 'south', facts: { programVersion: '2.0' } });
    expect(named(infer([...slow, ...well]))).toEqual(['edge delay north']);
  });

  it('finds two causes at once', () => {
    const slow = homes(4, 0, { ...shifted(25), trace: route({ core: 25, border: 25, end: 25 }) });
    const wifi = calm(4, { gateway: delta(60, 0.6), ...shifted(60), trace: null });
    const well = homes(5, 5, { trace: route({}, 'core-2') });
    const found = infer([...slow, wifi, ...well]);
    expect(found.map(({ family }) => family).sort()).toEqual(['link', 'wifi']);
  });
});

describe('what a cause costs', () => {
  const scattered = (values: number[]) =>
    values.map((ms, index) =>
      calm(index, {
        siteId: 'office',
        gateway: delta(ms, 0.6),
        ...shifted(ms),
        trace: null,
      }),
    );

  it('is its mean: more than the median where it scatters like a queue', () => {
    const constant = infer(scattered([40, 41, 39, 40, 42, 40]))[0];
    const queue = infer(scattered([40, 22, 55, 30, 70, 44]))[0];
    expect(constant?.addedMs).toBeGreaterThan(38);
    expect(constant?.addedMs).toBeLessThan(43);
    expect(queue?.addedMs).toBeGreaterThan(45);
  });

  it('falls on devices that show it, not on those that only share its element', () => {
    const slow = homes(5, 0, { ...shifted(25), trace: route({ core: 25, border: 25, end: 25 }) });
    const spared = calm(5, { trace: route({}) });
    const found = infer([...slow, spared, ...homes(3, 6, { trace: route({}, 'core-2') })]);
    expect(found[0]?.costMs(0, 'mail')).toBeGreaterThan(100);
    expect(found[0]?.costMs(5, 'mail')).toBe(0);
  });

  it('falls on no tunnel that is back to normal, though it was slow the bin before', () => {
    const slow = homes(5, 0, { ...shifted(50), trace: route({ core: 50, border: 50, end: 50 }) });
    const back = { ...delta(1.5), persistentMs: 1.5, meanMs: 26 };
    const spared = calm(5, {
      tunnel: back,
      underlay: delta(50),
      trace: route({ core: 50, border: 50, end: 50 }),
    });
    const found = infer([...slow, spared, ...homes(3, 6, { trace: route({}, 'core-2') })]);
    expect(found[0]?.costMs(0, 'mail')).toBeGreaterThan(200);
    expect(found[0]?.costMs(5, 'mail')).toBe(0);
  });

  it('is the same for one who may take either of two ways that both have one', () => {
    const on = (core: string, from: number) =>
      homes(3, from, { ...shifted(90), trace: route({ core: 90, border: 90, end: 90 }, core) });
    const either = calm(6, {
      sameFlow: false,
      ...shifted(90),
      trace: route({ core: 90, border: 90, end: 90 }, 'core-1'),
    });
    const found = infer([...on('core-1', 0), ...on('core-2', 3), either]);
    for (const { addedMs } of found) expect(addedMs).toBeGreaterThan(80);
    const ms = found.map((one) => one.costMs(6, 'mail'));
    expect(Math.max(...ms)).toBeGreaterThan(400);
  });

  it('falls on a tunnel that takes another way than its probes', () => {
    const slow = homes(4, 0, { ...shifted(40), trace: route({ core: 40, border: 40, end: 40 }) });
    const well = homes(4, 4, { trace: route({}, 'core-2') });
    const other = calm(8, { sameFlow: false, tunnel: delta(40), trace: route({}, 'core-2') });
    const found = infer([...slow, ...well, other]);
    expect(found).toHaveLength(1);
    expect(found[0]?.elementFor(8, 'mail').to).toBe('core-1');
    expect(found[0]?.costMs(8, 'mail')).toBeGreaterThan(100);
    expect(found[0]?.costMs(4, 'mail')).toBe(0);
  });
});

describe('what few or many observers can tell', () => {
  it('waits for a second bin on one device, and not when many see it', () => {
    const all = { access: 30, core: 30, border: 30, end: 30 };
    const now = (index: number) => calm(index, { ...shifted(30, fresh), trace: route(all) });
    expect(infer([now(0), ...homes(5, 1)])).toEqual([]);
    const many = Array.from({ length: 6 }, (_, index) => now(index));
    expect(infer(many).map(({ pass, family }) => `${pass} ${family}`)).toEqual(['fast isp-region']);
    const slow = inferNetwork(view(many), new Set(), { ...allOn, fastPass: false });
    expect(slow).toEqual([]);
  });

  it('makes no common cause of what each of many has in its own network for one bin', () => {
    const own = [20, 32, 50, 75, 110, 160].map((ms, index) => {
      const hops = { access: ms, core: ms, border: ms, end: ms };
      const link = { gateway: fresh(ms, 0.6), ...shifted(ms, fresh), trace: route(hops) };
      return calm(index, link);
    });
    expect(infer([...own, ...homes(6, 6)])).toEqual([]);
  });

  it('says how close the next explanation is where a lone device has no gateway to measure', () => {
    const slow = calm(0, { ...shifted(50), gateway: null, queue: null, trace: null });
    const found = inferNetwork(view([slow]), new Set(), { ...allOn, fleet: false });
    expect(found).toHaveLength(1);
    expect(found[0]?.marginNats).toBeLessThan(1);
    expect(found[0]?.runnerUp?.family).toBe('last-mile');
  });

  it('keeps devices apart when the fleet is not asked', () => {
    const slow = homes(6, 0, {
      ...shifted(30),
      trace: route({ access: 30, core: 30, border: 30, end: 30 }),
    });
    const found = inferNetwork(view(slow), new Set(), { ...allOn, fleet: false });
    expect(found.map(({ family }) => family)).toEqual(Array(6).fill('last-mile'));
    expect(found.map(({ observerCount }) => observerCount)).toEqual(Array(6).fill(1));
    expect(new Set(found.map(({ key }) => key)).size).toBe(6);
  });

  it('lets a cause that stood stand on less', () => {
    const weak = calm(0, {
      ...shifted(4.2),
      trace: null,
      gateway: null,
      queue: null,
      underlay: null,
    });
    const keys = infer([calm(0, { ...shifted(30), trace: null })]).map(({ key }) => key);
    expect(infer([weak])).toEqual([]);
    expect(infer([weak], [], keys).length).toBe(1);
  });
});

describe('causes behind the edges', () => {
  const onward = (edgeId: string, appId: string, addedMs: number, border: string): OnwardView => ({
    edgeId,
    appId,
    frontEnd: `203.0.113.${appId.length}`,
    connect: delta(addedMs, 0.5),
    dns: null,
    trace: trace(
      [
        { address: `10.0.0.${edgeId.length}` },
        { address: border, addedMs },
        { address: 'end', addedMs },
      ],
      addedMs,
    ),
    loss: loss(40, 0),
  });

  it('names a transit stretch that several edges share and charges their devices', () => {
    const found = infer(homes(3), [
      onward('north', 'mail', 40, 'transit-1'),
      onward('south', 'mail', 41, 'transit-1'),
      onward('north', 'files', 0, 'transit-2'),
    ]);
    expect(found).toHaveLength(1);
    expect(found[0]?.segment).toBe('edge-origin');
    expect(found[0]?.elementFor(0, 'mail').to).toBe('transit-1');
    expect(found[0]?.costMs(0, 'mail')).toBeCloseTo(3 * 40.5, -1);
  });
});

describe('loss behind an edge', () => {
  const lossy = (connect: number, traced: number): OnwardView => ({
    edgeId: 'north',
    appId: 'mail',
    frontEnd: '203.0.113.4',
    connect: delta(0, 0.5),
    dns: null,
    trace: { ...trace([{ address: 'transit-1' }, { address: 'end' }], 0), loss: loss(40, traced) },
    loss: loss(40, connect),
  });

  it('is counted on handshakes and on probes to the same end', () => {
    const found = infer(homes(3), [lossy(2, 4)]);
    expect(found.map(({ kind, segment }) => `${kind} ${segment}`)).toEqual(['loss edge-origin']);
    expect(found[0]?.costMs(0, 'mail')).toBeGreaterThan(60);
    expect(infer(homes(3), [lossy(1, 1)])).toEqual([]);
  });
});

describe('loss', () => {
  it('names the local link when the gateway loses as much as the rest', () => {
    const slow = calm(0, {
      gatewayLoss: loss(60, 6),
      underlayLoss: loss(60, 7),
      tunnelLoss: loss(120, 12),
      trace: null,
    });
    const found = infer([slow, ...homes(4, 1)]);
    expect(named(found)).toEqual(['wifi loss device-0']);
    expect(found[0]?.lossRatio).toBeCloseTo(0.1, 1);
    expect(found[0]?.costMs(0, 'mail')).toBeGreaterThan(100);
  });

  it('names the access line when the gateway loses nothing', () => {
    const slow = calm(0, { underlayLoss: loss(60, 7), tunnelLoss: loss(120, 12), trace: null });
    expect(named(infer([slow, ...homes(4, 1)]))).toEqual(['last-mile loss device-0']);
  });

  it('costs what is lost lately, where the window still remembers better times', () => {
    const young = { sent: 120, lost: 12, recentSent: 60, recentLost: 12, normalRatio: 0 };
    const slow = calm(0, { underlayLoss: loss(60, 6), tunnelLoss: young, trace: null });
    const found = infer([slow, ...homes(4, 1)]);
    expect(found[0]?.lossRatio).toBeGreaterThan(0.15);
  });

  it('costs what is lost in the newest bin, where all that many lost was lost in it', () => {
    const young = (sent: number) => {
      const newest = { newestSent: sent / 6, newestLost: sent / 30 };
      const lost = sent / 30;
      return { sent, lost, recentSent: sent / 2, recentLost: lost, ...newest, normalRatio: 0 };
    };
    const slow = homes(20, 0, { underlayLoss: young(60), tunnelLoss: young(120), trace: null });
    const [found] = infer(slow);
    expect(found?.family).toBe('isp-region');
    expect(found?.lossRatio).toBeCloseTo(0.2, 2);
  });

  it('is not blamed on a line whose tunnel loses nothing, however much a straight way loses', () => {
    const straight = {
      ...application('erp', null),
      directTrace: {
        ...trace([{ address: '192.168.1.1' }, { address: 'end' }], 0),
        loss: loss(60, 8),
      },
    };
    const slow = homes(6, 0, { siteId: 'office', applications: [straight], trace: null });
    const families = infer(slow).map(({ family }) => family);
    expect(families).not.toContain('last-mile');
    expect(families).not.toContain('gateway');
  });

  it('does not blame a hop that only drops its own replies', () => {
    const hops = [
      { address: '192.168.1.1' },
      { address: '198.51.100.1', lost: 9 },
      { address: 'end' },
    ];
    expect(infer(homes(4, 0, { trace: trace(hops, 0) }))).toEqual([]);
  });

  it('ends with the first bins that lose nothing', () => {
    const over = { ...loss(120, 12), recentLost: 0 };
    const slow = calm(0, { underlayLoss: { ...loss(60, 6), recentLost: 0 }, tunnelLoss: over });
    expect(infer([slow])).toEqual([]);
  });
});

describe('a way that has changed', () => {
  const changed = (addedAt: 'border' | 'transit') => {
    const made = trace(
      [
        { address: '192.168.1.1' },
        { address: '198.51.100.1' },
        { address: '198.51.100.20' },
        { address: '203.0.113.7' },
        { address: '203.0.113.200', addedMs: 60 },
      ],
      60,
    );
    const rises = addedAt === 'border' ? [2, 5, 68, 71, 74] : [2, 5, 8, 71, 74];
    const hops = made.hops.map((hop, at) => {
      const rttMedianMs = rises[at] as number;
      if (at !== 2 && at !== 3) return { ...hop, rttMedianMs };
      return { ...hop, rttMedianMs, delta: { ...delta(0), ready: false } };
    });
    return { ...made, hops, changedAtMs: 1 };
  };
  const slow = (addedAt: 'border' | 'transit') =>
    infer(homes(6, 0, { ...shifted(60), trace: changed(addedAt) }))[0]?.elementFor(0, 'mail');

  it('is longer where its round trips rise, not at the first of its new hops', () => {
    expect(slow('transit')).toMatchObject({ from: '198.51.100.20', to: '203.0.113.7' });
    expect(slow('border')).toMatchObject({ from: '198.51.100.1', to: '198.51.100.20' });
  });
});
