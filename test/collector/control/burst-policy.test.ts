import { describe, expect, test } from 'vitest';
import { compileDeviceConfig, compileEdgeConfig } from '#collector/control/compile-configs.ts';
import { checkOrganisation } from '#collector/control/organisation-check.ts';
import { check } from '#contract/check.ts';
import type { Organisation } from '#contract/organisation.ts';
import { DeviceConfig, EdgeConfig } from '#contract/policy.ts';

const organisation: Organisation = { version: 1, applications: [] };
const input = {
  organisation,
  deviceId: '018f5f5e-0000-4000-8000-000000000001',
  edges: [],
  captivePortalUrl: '',
  issuedAt: 1_800_000_000_000,
};
const siteKey = 'ab'.repeat(32);
const configOf = (deviceCount: number, burst: Organisation['burst'] = {}) =>
  compileDeviceConfig({
    ...input,
    organisation: { ...organisation, burst },
    burst: { deviceCount, siteKey },
  });

describe('the policy of bursts on suspicion', () => {
  test('is on by default, and every device of a small fleet measures', () => {
    const config = configOf(50);
    expect(check(DeviceConfig, config)).toMatchObject({ ok: true });
    expect(config.burst).toMatchObject({ seconds: 30, deviceRatio: 1, spreadSeconds: 0 });
    expect(config.siteKey).toBe(siteKey);
  });

  test('lets about 50 of a large fleet measure, and does not change with each device', () => {
    const { burst } = configOf(100_000);
    expect((burst?.deviceRatio ?? 0) * 100_000).toBeGreaterThan(20);
    expect((burst?.deviceRatio ?? 0) * 100_000).toBeLessThanOrEqual(50);
    expect(configOf(100_001).revision).toBe(configOf(100_000).revision);
  });

  test('can be switched off, for devices and edges', () => {
    expect(configOf(1, { enabled: false }).burst).toBeUndefined();
    const about = { edgeId: 'fra-1', revokedDevices: [], issuedAt: input.issuedAt };
    const edge = (burst: Organisation['burst'] = {}) =>
      compileEdgeConfig({ ...about, organisation: { ...organisation, burst }, takesBurst: true });
    expect(check(EdgeConfig, edge())).toMatchObject({ ok: true });
    expect(edge().burst).toMatchObject({ seconds: 30, secondsPerDay: 3_600 });
    expect(edge({ enabled: false }).burst).toBeUndefined();
  });

  test.each([
    [{ seconds: 0 }, '/burst/seconds', /1/],
    [{ secs: 10 }, '/burst/secs', /Unexpected/],
    [{ perDayMegabytes: -1 }, '/burst/perDayMegabytes', /0/],
    [{ enabled: 'yes' }, '/burst/enabled', /true or false/],
    [{ calmSeconds: 40 }, '/burst/calmSeconds', /longer than the whole burst \(30 s\)/],
    [{ everySeconds: 5, seconds: 2, calmSeconds: 1 }, '/burst/everySeconds', /whole burst/],
  ])('%j is refused, with where and why', (burst, pointer, message) => {
    const checked = checkOrganisation({ ...organisation, burst });
    expect(checked.ok).toBe(false);
    const [mistake] = checked.ok ? [] : checked.mistakes;
    expect(mistake?.pointer).toBe(pointer);
    expect(mistake?.message).toMatch(message);
  });
});
