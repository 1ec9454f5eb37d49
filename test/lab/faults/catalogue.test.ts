import { describe, expect, test } from 'vitest';
import { segments } from '#contract/verdict.ts';
import { planQueues } from '../build/queues.ts';
import { programsOf } from '../programs/roster.ts';
import { wrongInChange } from '../services/control.ts';
import { planAddresses } from '../topology/addresses.ts';
import { planRoutes } from '../topology/routes.ts';
import { twoSites } from '../topology/two-sites.ts';
import { whatChanges } from './actions/actions.ts';
import { faultNamed, faults } from './catalogue.ts';
import { effectsOf, type FaultAction, faultKinds, type Reach } from './fault.ts';

const nodes = twoSites.nodes.map(({ name }) => name);
const links = twoSites.links.map(({ a, b }) => `${a}-${b}`);
const directions = twoSites.links.flatMap(({ a, b }) => [`${a}>${b}`, `${b}>${a}`]);
const plan = planAddresses(twoSites);
const queues = planQueues('test', twoSites, plan).map(({ key }) => key);
const programs = programsOf(twoSites).map(({ name }) => name);
const ofRole = (role: string) =>
  twoSites.nodes.filter((node) => node.role === role).map(({ name }) => name);

/** What an action names that the topology does not have. */
const unknownIn = (action: FaultAction): string[] => {
  const missing = (known: readonly string[], ...names: string[]) =>
    names.filter((name) => !known.includes(name));
  switch (action.do) {
    case 'shim':
      return missing(queues, action.key);
    case 'rate':
    case 'mtu':
    case 'drop':
      return missing(directions, action.direction);
    case 'bulk':
      return missing(nodes, action.from, action.to);
    case 'metric':
    case 'link-down':
      return missing(links, action.link);
    case 'icmp-limit':
      return missing(nodes, action.node);
    case 'service':
      return missing(nodes, action.node);
    case 'captive-portal':
      return missing(ofRole('gateway'), action.gateway);
    case 'program':
      return missing(programs, action.program);
  }
};

describe('the catalogue of faults', () => {
  test('every fault has a name of its own and a sentence', () => {
    expect(new Set(faults.map(({ name }) => name)).size).toBe(faults.length);
    for (const { name, what } of faults) {
      expect(name).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
      expect(what).toMatch(/^[A-Z].{10,}\.$/);
    }
  });

  test('there are at least 30 real faults, 10 decoys, 2 healthy controls and 3 mixtures', () => {
    const real = faults.filter(({ truth }) => truth.blame !== 'nobody');
    const mixed = faults.filter(({ kinds }) => kinds.includes('mixed'));
    const healthy = faults.filter(({ kinds }) => kinds.includes('healthy'));
    expect(real.length - mixed.length).toBeGreaterThanOrEqual(30);
    expect(faults.length - real.length - healthy.length).toBeGreaterThanOrEqual(10);
    expect(healthy.length).toBeGreaterThanOrEqual(2);
    expect(mixed.length).toBeGreaterThanOrEqual(3);
  });

  test('every kind of fault the lab is to have is there', () => {
    const present = new Set(faults.flatMap(({ kinds }) => kinds));
    expect(faultKinds.filter((kind) => !present.has(kind))).toEqual([]);
  });

  test.each(faults)('$name names only what the topology has', ({ actions, truth, offline }) => {
    expect(actions.flatMap(unknownIn)).toEqual([]);
    const elements =
      truth.blame === 'segment' ? [truth.element, ...(truth.alsoElements ?? [])] : [];
    expect(elements.filter((name) => !nodes.includes(name) && !links.includes(name))).toEqual([]);
    const devices = [...(truth.blame === 'third-state' ? truth.devices : []), ...(offline ?? [])];
    expect(devices.filter((name) => !ofRole('device').includes(name))).toEqual([]);
    const changes = actions.map(whatChanges);
    expect(new Set(changes).size, 'nothing is changed twice').toBe(changes.length);
    for (const action of actions) {
      if (action.do !== 'service') continue;
      const role = twoSites.nodes.find(({ name }) => name === action.node)?.role ?? 'router';
      expect(wrongInChange(role, action.set)).toBeUndefined();
    }
  });

  test.each(faults)('$name has a truth that can be true', ({ truth }) => {
    const reaches: Reach[] = [
      ...effectsOf(truth),
      ...(truth.blame === 'segment' ? (truth.tolerated ?? []) : []),
    ];
    const pairs = reaches.flatMap(({ devices, applications }) =>
      devices.flatMap((device) => applications.map((application) => `${device} ${application}`)),
    );
    for (const pair of pairs) expect(pair).toMatch(/^[ab][12] (crm|docs|wiki)$/);
    expect(new Set(pairs).size).toBe(pairs.length);
    for (const effect of effectsOf(truth)) {
      expect(effect.segments.filter((segment) => !segments.includes(segment))).toEqual([]);
      expect(effect.states.length).toBeGreaterThan(0);
    }
    if (truth.blame === 'segment') expect(pairs.length).toBeGreaterThan(0);
  });

  test('an unknown name is answered with the nearest one', () => {
    expect(() => faultNamed('wifi-lost')).toThrow(
      'no fault is called "wifi-lost"; did you mean "wifi-loss"?',
    );
  });
});

describe('magnitudes', () => {
  /** Round trips that an answer takes between device and edge, and between edge and origin. */
  const trips = { device: 4, origin: 3 };
  const servers = { crm: 's1', docs: 's2', wiki: 'w1' } as const;
  const noticeableMs = 40;

  const healthyRoutes = planRoutes(twoSites, plan);

  /** Milliseconds that delays on links and other metrics add to an answer through the near edge. */
  const riseOf = (actions: readonly FaultAction[]) => {
    const metrics = Object.fromEntries(
      actions.flatMap((action) => (action.do === 'metric' ? [[action.link, action.metric]] : [])),
    );
    const added = new Map(
      actions.flatMap((action) =>
        action.do === 'shim'
          ? [[action.key, (action.add.delayMs ?? 0) + (action.add.jitterMs ?? 0)] as const]
          : [],
      ),
    );
    const routes =
      Object.keys(metrics).length === 0 ? healthyRoutes : planRoutes(twoSites, plan, metrics);
    const rise = (from: string, to: string) =>
      oneWayMs(routes, from, to, added) - oneWayMs(healthyRoutes, from, to);
    const roundTrip = (from: string, to: string) => rise(from, to) + rise(to, from);
    return (device: string, server: string): number =>
      trips.device * roundTrip(device, 'e1') + trips.origin * roundTrip('e1', server);
  };

  const oneWayMs = (
    routes: typeof healthyRoutes,
    from: string,
    to: string,
    added: ReadonlyMap<string, number> = new Map(),
  ): number => {
    const [path = []] = routes.between(from, to, 6);
    return path.slice(1).reduce((sum, node, index) => {
      const previous = path[index] ?? '';
      const link = twoSites.links.find(
        ({ a, b }) => (a === previous && b === node) || (b === previous && a === node),
      );
      return sum + (link?.delayMs ?? 0) + (added.get(`link:${previous}>${node}`) ?? 0);
    }, 0);
  };

  /** Faults of nothing but delays and metrics, which can be added up on paper. */
  const ofDelays = faults.filter(
    ({ actions, kinds }) =>
      actions.length > 0 &&
      !kinds.includes('slow-dns') &&
      actions.every(
        (action) =>
          action.do === 'metric' ||
          (action.do === 'shim' &&
            !action.key.startsWith('syn:') &&
            (action.add.lossRatio ?? 0) < 0.1 &&
            !action.add.burst),
      ),
  );

  test.each(ofDelays)('$name adds 40 ms where it is to be named, and less elsewhere', (fault) => {
    const { truth, actions } = fault;
    const suffering = effectsOf(truth);
    const addedMs = riseOf(actions);
    for (const device of ofRole('device')) {
      for (const [application, server] of Object.entries(servers)) {
        const suffers = suffering.some(
          (reach) => reach.devices.includes(device) && reach.applications.includes(application),
        );
        const ms = addedMs(device, server);
        const told = `${device} ${application}: ${ms.toFixed(1)} ms`;
        if (suffers) expect(ms, told).toBeGreaterThanOrEqual(noticeableMs);
        else expect(ms, told).toBeLessThan(noticeableMs / 2);
      }
    }
  });
});
