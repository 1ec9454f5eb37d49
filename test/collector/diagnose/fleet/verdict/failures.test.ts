import { describe, expect, it } from 'vitest';
import type { ApplicationView, DeviceView } from '#collector/diagnose/fleet/bin-view.ts';
import { deviceId, judges, slowApp, viewOf } from './fleet.ts';

const ok = (appId: string, more: Partial<ApplicationView> = {}) => slowApp(0, appId, more);
const failed = (appId: string, failureType: string, more: Partial<ApplicationView> = {}) =>
  ok(appId, { runCount: 1, okCount: 0, failureType, ...more });

/** Twenty devices; `apps` says what each of them tried. The same in two bins. */
const incidentsOf = (
  apps: (index: number) => ApplicationView[],
  more: (index: number) => Partial<DeviceView> = () => ({}),
) => {
  const judge = judges();
  const devices = Array.from({ length: 20 }, (_, index) => ({
    applications: apps(index),
    ...more(index),
  }));
  judge.judge(viewOf(0, devices), []);
  return judge
    .judge(viewOf(1, devices), [])
    .incidents.map(({ family, scope, element, deviceCount }) => ({
      family,
      scope,
      id: element.id,
      deviceCount,
    }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
};

const own = (family: string, index = 7) => ({
  family,
  scope: 'device',
  id: deviceId(index),
  deviceCount: 1,
});

describe('what one device alone cannot do is that device’s', () => {
  const down = { family: 'application', scope: 'application', id: 'payroll', deviceCount: 20 };

  it('though an application is down for everybody behind the same edge', () => {
    const found = incidentsOf((index) => [
      failed('payroll', 'http.error'),
      index === 7 ? failed('wiki', 'tunnel.timed_out') : ok('wiki'),
    ]);
    expect(found).toEqual([own('tunnel-client'), down]);
  });

  it('though it is down for everybody at the same site', () => {
    const found = incidentsOf(
      (index) => [
        failed('payroll', 'http.error', { edgeId: index % 2 === 0 ? 'ams' : 'fra' }),
        index === 7 ? failed('wiki', 'tunnel.timed_out', { edgeId: 'fra' }) : ok('wiki'),
      ],
      () => ({ siteId: 'berlin' }),
    );
    expect(found).toEqual([own('tunnel-client'), down]);
  });

  it.each(['edge.dns_failed', 'dns.name_not_resolved'])(
    '%s of one application of three',
    (type) => {
      const found = incidentsOf((index) => [
        index === 7 ? failed('payroll', type) : ok('payroll'),
        ok('wiki'),
        ok('mail'),
      ]);
      expect(found).toEqual([own('device')]);
    },
  );

  it('a straight run that reaches nothing is no trouble of its tunnel’s', () => {
    const straight = { via: 'direct', edgeId: null } as const;
    const found = incidentsOf((index) => [
      index === 7 ? failed('wiki', 'tcp.timed_out', straight) : ok('wiki', straight),
    ]);
    expect(found).toEqual([own('device')]);
  });
});

describe('a name that cannot be looked up', () => {
  it('through one edge, while others look it up, is that edge’s resolver', () => {
    const found = incidentsOf((index) => [
      index < 8
        ? failed('payroll', 'edge.dns_failed', { edgeId: 'ams' })
        : ok('payroll', { edgeId: 'fra' }),
      ok('wiki', { edgeId: index < 8 ? 'ams' : 'fra' }),
    ]);
    expect(found).toEqual([{ family: 'edge-dns', scope: 'edge', id: 'ams', deviceCount: 8 }]);
  });

  it('by anybody is its name servers', () => {
    const found = incidentsOf(() => [failed('payroll', 'edge.dns_failed'), ok('wiki')]);
    expect(found).toEqual([
      { family: 'application-dns', scope: 'application', id: 'payroll', deviceCount: 20 },
    ]);
  });
});

describe('an application that fails for some', () => {
  const whole = { family: 'application', scope: 'application', id: 'payroll' };
  const on = (index: number) => ({ edgeId: index < 3 ? 'ams' : 'fra' });

  it('is at fault itself where it answers errors through several edges, here or there always', () => {
    const found = incidentsOf((index) => [
      index < 3 || index % 2 === 0
        ? failed('payroll', 'http.error', on(index))
        : ok('payroll', on(index)),
    ]);
    expect(found).toEqual([{ ...whole, deviceCount: 11 }]);
  });

  it.each([
    ['http.error', 'application', 'payroll@ams'],
    ['edge.dial_failed', 'link', 'ams>payroll'],
  ])('%s through one edge only is what that edge meets', (type, family, id) => {
    const found = incidentsOf((index) => [
      index < 3 ? failed('payroll', type, on(index)) : ok('payroll', on(index)),
    ]);
    expect(found).toEqual([{ family, scope: 'edge', id, deviceCount: 3 }]);
  });

  it('is named by the front end that fails, if the others answer', () => {
    const found = incidentsOf((index) => [
      index < 4
        ? failed('payroll', 'http.timed_out', { frontEnd: '192.0.2.1' })
        : ok('payroll', { frontEnd: '192.0.2.2' }),
    ]);
    expect(found).toMatchObject([{ family: 'front-end', id: '192.0.2.1' }]);
  });
});

describe('an incident of what does not answer', () => {
  it('says that it cannot be used, and calls what nobody named by its id', () => {
    const device = () => ({ applications: [failed('mail', 'http.error'), ok('wiki')] });
    const { verdicts, incidents } = judges().judge(viewOf(0, [device(), device(), device()]), []);
    expect(incidents[0]?.sentence).toMatch(/^mail: .* since 09:00 UTC; 3 devices cannot use it\.$/);
    expect(verdicts[0]?.evidence.map(({ text }) => text)).toContain(
      '3 devices cannot use it, 3 pairs of device and application in all.',
    );
  });
});

describe('whoever cannot say is not counted', () => {
  it('a device off the network neither clears a site nor speaks against it', () => {
    const found = incidentsOf(
      (index) => [failed('payroll', index < 4 ? 'tunnel.down' : 'agent.network_down')],
      (index) => ({ siteId: index < 10 ? 'berlin' : 'home', edgeId: index < 10 ? 'ams' : 'fra' }),
    );
    expect(found).toMatchObject([{ deviceCount: 4 }]);
  });
});

describe('probes rarer than bins', () => {
  const minuteMs = 60_000;
  /** Of three devices, an application that is dead under probes every five minutes. */
  const play = (bins: number, devices: number, failing: (bin: number) => boolean = () => true) => {
    const judge = judges();
    return Array.from({ length: bins }, (_, bin) => {
      const ran = bin % 5 === 0;
      const each = () => (failing(bin) ? failed('payroll', 'http.error') : ok('payroll'));
      const view = viewOf(
        bin,
        Array.from({ length: devices }, () => ({ applications: ran ? [each()] : [] })),
      );
      return judge.judge({ ...view, binMs: minuteMs, toMs: view.fromMs + minuteMs }, []);
    });
  };

  it('a dead application of one device gets its verdict with the second run', () => {
    const said = play(12, 1).map(({ verdicts }) => verdicts.length);
    expect(said.indexOf(1)).toBe(5);
  });

  it('a cause that goes on is one incident, which does not end in between', () => {
    const incidents = play(60, 4).flatMap((bin) => bin.incidents);
    expect(new Set(incidents.map(({ id }) => id)).size).toBe(1);
    expect(incidents.filter(({ endedAt }) => endedAt !== null)).toEqual([]);
  });

  it('and ends once it was looked for and not found', () => {
    const incidents = play(60, 4, (bin) => bin < 21).flatMap((bin) => bin.incidents);
    const ended = incidents.filter(({ endedAt }) => endedAt !== null);
    expect(ended).toHaveLength(1);
  });
});
