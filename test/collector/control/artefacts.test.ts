import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PageLoadResult } from '#contract/result.ts';
import { type CollectorLab, type Holder, startCollectorLab } from '#test/support/collector-lab.ts';

let lab: CollectorLab;
let device: Holder;
beforeAll(async () => {
  lab = await startCollectorLab({ diagnoseDelayMs: 600_000 });
  device = await lab.enrollDevice();
  const applications = [{ id: 'crm', name: 'CRM', hosts: [], probes: [] }];
  await lab.operator('/v1/organisation', { method: 'PUT', body: { version: 1, applications } });
}, 120_000);
afterAll(() => lab.stop(), 60_000);

const jpeg = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), Buffer.alloc(2_000, 7)]);
const har = gzipSync('{"log":{"version":"1.2","entries":[]}}');
const asHar = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
const asJpeg = { 'content-type': 'image/jpeg' };

const put = (
  path: string,
  raw: Buffer,
  headers: Record<string, string>,
  as: Holder | undefined = device,
) => lab.device(`/v1/artefacts/${path}?app=crm`, { method: 'PUT', as, raw, headers });

const get = (id: string, kind: string) =>
  fetch(`${lab.operatorUrl}/v1/results/${id}/artefacts/${kind}`, {
    headers: { authorization: `Bearer ${lab.operatorToken}` },
  });

const failedPage = (id: string): PageLoadResult => ({
  kind: 'result',
  id,
  deviceId: device.id,
  appId: 'crm',
  probeId: 'crm-page-load',
  via: 'direct',
  edgeId: null,
  startedAt: Date.now() - 5_000,
  durationMs: 2_000,
  availability: 0,
  failure: {
    type: 'browser.step_failed',
    source: 'target',
    phase: 'render',
    message: 'step 2 “log in” (#go) – nothing matched',
    action: 'see the screenshot',
  },
  self: { eventLoopDelayMs: 1, cpuStealRatio: null, clockJumpMs: 0 },
  distortion: 'none',
  type: 'page-load',
  body: {
    url: 'https://crm.test/',
    finalUrl: 'https://crm.test/',
    status: 200,
    ttfbMs: 100,
    fcpMs: 200,
    lcpMs: 300,
    cls: 0,
    domContentLoadedMs: 250,
    loadMs: 400,
    totalBlockingMs: 0,
    requestCount: 3,
    transferBytes: 3_000,
    failedRequestCount: 0,
    thirdPartyCount: 0,
    resources: [],
    consoleErrorCount: 1,
    browser: 'Chrome/156',
    problems: [{ kind: 'exception', text: 'TypeError: <b>x</b> is not a function' }],
    steps: [
      {
        name: 'fill #user',
        kind: 'fill',
        selector: '#user',
        durationMs: 40,
        requestCount: 0,
        transferBytes: 0,
        outcome: 'passed',
        failure: null,
      },
      {
        name: 'log in',
        kind: 'click',
        selector: '#go',
        durationMs: 500,
        requestCount: 0,
        transferBytes: 0,
        outcome: 'failed',
        failure: 'nothing matched',
      },
    ],
  },
});

describe('pictures and archives of runs', () => {
  test('are kept for operators, byte for byte, under headers that let nothing in them run', async () => {
    const id = randomUUID();
    expect((await put(`${id}/screenshot`, jpeg, asJpeg)).status).toBe(204);
    expect((await put(`${id}/har`, har, asHar)).status).toBe(204);
    expect((await put(`${id}/har`, har, asHar)).status).toBe(204);
    const picture = await get(id, 'screenshot');
    expect(picture.status).toBe(200);
    expect(picture.headers.get('content-type')).toBe('image/jpeg');
    expect(Buffer.from(await picture.arrayBuffer()).equals(jpeg)).toBe(true);
    const archive = await get(id, 'har');
    expect(await archive.json()).toEqual({ log: { version: '1.2', entries: [] } });
    expect(archive.headers.get('content-disposition')).toMatch(/^attachment; filename="whyslow-/);
    for (const { headers } of [picture, archive]) {
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('content-security-policy')).toBe("default-src 'none'; sandbox");
    }
  });

  test('are for nobody without a token, and 404 where there is none', async () => {
    const id = randomUUID();
    await put(`${id}/screenshot`, jpeg, asJpeg);
    const path = `/v1/results/${id}/artefacts/screenshot`;
    expect((await lab.operator(path, { token: null })).status).toBe(401);
    expect((await get(id, 'har')).status).toBe(404);
    expect((await get(randomUUID(), 'screenshot')).status).toBe(404);
  });

  test.each([
    ['a picture that is none', 'screenshot', Buffer.from('<script>'), asJpeg, 400],
    ['a picture under another name', 'screenshot', jpeg, asHar, 415],
    ['an archive that is none', 'har', gzipSync('{"a":1}'), asHar, 400],
    ['an archive that is not whole', 'har', har.subarray(0, 20), asHar, 400],
    ['a bomb', 'har', gzipSync(Buffer.alloc(20_000_000)), asHar, 413],
    ['more than 2 MB', 'screenshot', Buffer.alloc(2_200_000, 255), asJpeg, 413],
    ['an unknown kind', 'video', jpeg, asJpeg, 400],
  ])('are refused: %s', async (_name, kind, raw, headers, status) => {
    expect((await put(`${randomUUID()}/${kind}`, raw, headers)).status).toBe(status);
  });

  test('come from devices only', async () => {
    const path = `${randomUUID()}/screenshot`;
    const nobody = await lab.device(`/v1/artefacts/${path}?app=crm`, {
      method: 'PUT',
      raw: jpeg,
      headers: asJpeg,
    });
    expect(nobody.status).toBe(401);
    expect((await put(path, jpeg, asJpeg, await lab.enrollEdge('fra-1'))).status).toBe(403);
  });

  test('of another device are not overwritten, and of each the newest 20 stay', async () => {
    const own = await lab.enrollDevice('desk');
    const ids = Array.from({ length: 23 }, () => randomUUID());
    for (const id of ids) {
      await put(`${id}/screenshot`, jpeg, asJpeg, own);
      // Times of arrival are whole milliseconds.
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
    const statuses = await Promise.all(ids.map(async (id) => (await get(id, 'screenshot')).status));
    expect(statuses.slice(0, 3)).toEqual([404, 404, 404]);
    expect(new Set(statuses.slice(3))).toEqual(new Set([200]));
    const other = Buffer.concat([jpeg, Buffer.from('other')]);
    const last = ids.at(-1) ?? '';
    await put(`${last}/screenshot`, other, asJpeg);
    expect(Buffer.from(await (await get(last, 'screenshot')).arrayBuffer()).equals(jpeg)).toBe(
      true,
    );
  });

  test('stand on the page beside their run, with its steps and what the page complained about', async () => {
    const id = randomUUID();
    expect((await lab.postBatch(device, [failedPage(id)])).status).toBe(200);
    await put(`${id}/screenshot`, jpeg, asJpeg);
    await put(`${id}/har`, har, asHar);
    const path = `/devices/${device.id}/applications/crm`;
    const { text, status } = await lab.operator(path);
    expect(status).toBe(200);
    expect(text).toContain(`<img src="/v1/results/${id}/artefacts/screenshot"`);
    expect(text).toContain(`href="/v1/results/${id}/artefacts/har"`);
    expect(text).toContain('1 of 2 steps passed');
    expect(text).toContain('TypeError: &lt;b&gt;x');
    const api = await lab.operator(`/v1${path}`);
    expect(api.json).toMatchObject({
      runs: [
        {
          resultId: id,
          artefacts: expect.arrayContaining(['har', 'screenshot']),
          steps: [{ outcome: 'passed' }, { outcome: 'failed' }],
        },
      ],
    });
  });
});
