import { randomUUID } from 'node:crypto';
import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Privacy } from '#contract/access.ts';
import type { EdgeTiming } from '#contract/body/connection.ts';
import { check } from '#contract/check.ts';
import { FlowRecord } from '#contract/telemetry.ts';
import { compileAccess } from '#edge/access.ts';
import { applicationsOf, createApplicationTimes } from '#edge/application-times.ts';
import type { CategoryList } from '#edge/categories.ts';
import { startCategoryFile } from '#edge/category-file.ts';
import { openAccount } from '#edge/flow-account.ts';
import {
  createFlowRecorder,
  deviceRecordLimits,
  domainOf,
  recordLimits,
} from '#edge/flow-record.ts';
import { silentLog } from '#runtime/log.ts';
import { emptyPolicy } from '#test/support/edge-lab.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';
import { waitUntil } from '#test/support/wait-until.ts';

const deviceId = randomUUID();
const timing = { edgeId: 'fra1', queueMs: 0.1, dnsMs: 2, connectMs: 3, address: '192.0.2.1' };

const never = (): never => {
  throw new Error('not read here');
};

const lab = (privacy: Privacy | undefined, process?: { index: number; count: number }) => {
  const records: FlowRecord[] = [];
  const recorder = createFlowRecorder({
    edgeId: 'fra1',
    privacy: () => privacy,
    emit: (record) => records.push(record),
    now: () => 1_700_000_000_000,
    ...(process ? { process } : {}),
  });
  const flow = (host: string, appId?: string, ofDevice: string = deviceId) => {
    const decision = { action: 'allow' as const, rule: 'default', appId };
    const request = {
      deviceId: ofDevice,
      destination: { host, port: 443 },
      protocol: 'tcp' as const,
      receivedMs: performance.now(),
    };
    const record = recorder.begin(request, { decision, userId: 'eva' });
    record?.end({ timing, moved: { upBytes: 1, downBytes: 2 }, firstByteMs: 4, error: '' });
    return record?.id;
  };
  return { records, recorder, flow };
};

describe('the record of a flow', () => {
  it('has a time that no other of its device has, however many devices come between', () => {
    // Only the rate of records reads this clock: a hundredth of a second each.
    vi.useFakeTimers({ toFake: ['performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const { records, flow } = lab({ flows: 'full', users: false });
    const begin = (ofDevice: string) => {
      vi.advanceTimersByTime(10);
      expect(flow('crm.test', 'crm', ofDevice)).toBeDefined();
    };
    for (let n = 0; n < 9_998; n += 1) begin(`other-${n}`);
    for (let n = 0; n < 5; n += 1) begin(deviceId);
    begin('further-1');
    begin('further-2');
    begin(deviceId);
    const own = records.filter((record) => record.deviceId === deviceId);
    expect(own.map(({ at }) => at - 1_700_000_000_000)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it.each([
    [undefined, '', null],
    [{ flows: 'counts', users: false }, '', null],
    [{ flows: 'domains', users: false }, 'example.co.uk', null],
    [{ flows: 'full', users: true }, 'www.crm.example.co.uk', 'eva'],
  ] as const)('tells what the privacy switch lets it: %j → “%s”', (privacy, host, userId) => {
    const { records, flow } = lab(privacy);
    const id = flow('WWW.crm.example.co.uk.', 'crm');
    expect(records).toMatchObject([{ id, host, userId, appId: 'crm', upBytes: 1, downBytes: 2 }]);
    expect(check(FlowRecord, records[0]).ok).toBe(true);
  });

  it('is none with the switch off, and nobody is given an id for it', () => {
    const { records, recorder, flow } = lab({ flows: 'off', users: true });
    expect(flow('a.test')).toBeUndefined();
    expect(records).toEqual([]);
    expect(recorder.takeUnrecorded()).toBe(0);
  });

  it('is not made of more than so many at once; those of applications come first, the rest is counted', () => {
    const { records, recorder, flow } = lab(undefined);
    const { burst } = recordLimits;
    for (let i = 0; i < burst; i++) flow('a.test', undefined, `device-${i % 20}`);
    expect(records.length).toBeGreaterThanOrEqual(burst / 2);
    expect(records.length).toBeLessThan(burst);
    const undeclared = records.length;
    for (let i = 0; i < burst / 2 - 1; i++) flow('crm.test', 'crm', `device-${i % 20}`);
    expect(records.length).toBe(undeclared + burst / 2 - 1);
    expect(recorder.takeUnrecorded()).toBe(burst - undeclared);
    expect(recorder.takeUnrecorded()).toBe(0);
  });

  it('is not taken from other devices by one that asks for flows without end', () => {
    const { records, recorder, flow } = lab(undefined);
    for (let i = 0; i < 5_000; i++) flow('a.test', i % 2 === 0 ? 'crm' : undefined);
    const own = records.length;
    // What it earned meanwhile, on a loaded machine, is in it.
    expect(own).toBeLessThan(2 * deviceRecordLimits.burst);
    expect(recorder.takeUnrecorded()).toBe(5_000 - own);
    const others = Array.from({ length: 50 }, (_, i) => flow('b.test', undefined, `other-${i}`));
    expect(others.filter((id) => id === undefined)).toEqual([]);
  });

  it('is not made of a flow refused because the device asks too much, which is counted', () => {
    const { recorder, records } = lab({ flows: 'counts', users: false });
    const off = lab({ flows: 'off', users: false });
    const request = {
      ...{ deviceId, destination: { host: 'a.test', port: 443 }, protocol: 'tcp' as const },
      receivedMs: performance.now(),
    };
    const accountOf = (of: typeof recorder) => {
      const told: EdgeTiming = { ...timing };
      const books = { records: of, times: createApplicationTimes(), takeReading: never };
      return { account: openAccount(books, request, told), told };
    };
    const undecided = accountOf(recorder);
    undecided.account.refused('connection_limit_reached');
    const decided = accountOf(recorder);
    decided.account.decide(compileAccess(emptyPolicy('fra1')));
    expect(decided.told.flowId).toBeDefined();
    decided.account.refused('connection_limit_reached');
    expect(decided.told.flowId).toBeUndefined();
    expect(records).toEqual([]);
    expect(recorder.takeUnrecorded()).toBe(2);
    accountOf(off.recorder).account.refused('connection_limit_reached');
    expect(off.recorder.takeUnrecorded()).toBe(0);
    accountOf(recorder).account.refused('http_request_denied');
    expect(records).toMatchObject([{ error: 'http_request_denied' }]);
  });

  it('has a time no other of the device has, in whatever process of the edge', () => {
    const labs = [0, 1, 2].map((index) => lab(undefined, { index, count: 3 }));
    for (const { flow } of labs) for (let i = 0; i < 50; i++) flow('a.test');
    const times = labs.flatMap(({ records }) => records.map(({ at }) => at));
    expect(new Set(times).size).toBe(150);
  });

  it.each([
    ['www.example.test', 'example.test'],
    ['a.b.co.uk', 'b.co.uk'],
    ['www.gov.uk', 'www.gov.uk'],
    ['a.b.com.au', 'b.com.au'],
    ['localhost', 'localhost'],
    ['192.0.2.1', ''],
    ['2001:db8::1', ''],
  ])('has for a domain of %s “%s”', (name, domain) => {
    expect(domainOf(name)).toBe(domain);
  });
});

it('dial times by application are medians over all of an edge’s processes', () => {
  const [one, two] = [createApplicationTimes(), createApplicationTimes()];
  one.opened('crm', { ...timing, connectMs: 10 });
  one.opened('crm', { ...timing, connectMs: 30, dnsMs: null });
  two.opened('crm', { ...timing, connectMs: 20 });
  two.opened('mail', { ...timing, connectMs: null });
  two.firstByte('crm', 7);
  expect(applicationsOf([one.take(), two.take()])).toEqual([
    { appId: 'crm', flowCount: 3, dnsMs: 2, connectMs: 20, firstByteMs: 7 },
    { appId: 'mail', flowCount: 1, dnsMs: 2, connectMs: null, firstByteMs: null },
  ]);
  expect(applicationsOf([one.take(), two.take()])).toEqual([]);
});

describe('a category file', () => {
  const follow = (folder: string, file: string) => {
    const loaded: { list: CategoryList; told: string }[] = [];
    const refused: string[] = [];
    const following = startCategoryFile({
      file,
      keepIn: folder,
      checkEveryMs: 20,
      onLoaded: (list, _copy, told) => loaded.push({ list, told }),
      onRefused: (reason) => refused.push(reason),
      log: silentLog(),
    });
    onTestFinished(() => following.stop());
    return { loaded, refused, stop: following.stop };
  };

  it('is loaded, and again when it has changed; a broken one leaves the last in force', async () => {
    const folder = await makeTemporaryFolder();
    const file = join(folder, 'list.txt');
    await writeFile(file, 'a.test games\n');
    const { loaded, refused } = follow(folder, file);
    await waitUntil(() => loaded.length === 1);
    expect(loaded[0]?.told).toBe('1 domains in 1 categories, 0 named more than once');
    await appendFile(file, 'b.test games\n');
    await waitUntil(() => loaded.length === 2);
    await appendFile(file, 'broken\n');
    await waitUntil(() => refused.length === 1);
    expect(refused).toEqual(['line 3: “broken” has no category after it']);
    expect(loaded[1]?.list.find('b.test')).toEqual(['games']);
    expect(await readFile(join(folder, 'categories.txt'), 'utf8')).not.toContain('broken');
    await rm(file);
    await waitUntil(() => refused.length === 2);
    await writeFile(file, 'c.test tools\n');
    await waitUntil(() => loaded.length === 3);
  });

  it('that is broken at the start leaves the one of before in force', async () => {
    const folder = await makeTemporaryFolder();
    const file = join(folder, 'list.txt');
    await writeFile(file, 'a.test games\n');
    const before = follow(folder, file);
    await waitUntil(() => before.loaded.length === 1);
    await before.stop();
    await writeFile(file, 'a.test\n');
    const { loaded, refused } = follow(folder, file);
    await waitUntil(() => loaded.length === 1);
    expect(refused).toHaveLength(1);
    expect(loaded[0]?.told).toContain('as kept from before');
    expect(loaded[0]?.list.find('www.a.test')).toEqual(['games']);
  });
});
