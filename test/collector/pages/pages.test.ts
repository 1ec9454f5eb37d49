import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answerPage } from '#collector/pages/page-answer.ts';
import type { DeviceApplicationView } from '#collector/triage/views.ts';
import { seedApplications, seedDevices } from '#test/support/seed.ts';
import { seedIncidentIds } from '#test/support/seed-verdicts.ts';
import { type RunningPages, startPages } from '#test/support/seeded-pages.ts';

const [anna] = seedDevices;
const everyPage = [
  '/',
  '/applications/sales',
  '/applications/odd',
  '/devices',
  `/devices/${anna.id}`,
  `/devices/${seedDevices[3].id}`,
  ...seedApplications.map(({ id }) => `/devices/${anna.id}/applications/${id}`),
  `/devices/${seedDevices[3].id}/applications/odd`,
  `/devices/${anna.id}/applications/new-app`,
  '/incidents',
  `/incidents/shared/${seedIncidentIds.now}`,
  `/incidents/shared/${seedIncidentIds.over}`,
  '/edges',
];

let pages: RunningPages;
beforeAll(async () => {
  pages = await startPages();
}, 60_000);
afterAll(() => pages.stop());

const read = async (path: string) => {
  const response = await fetch(`${pages.url}${path}`, { redirect: 'manual' });
  return { response, body: await response.text() };
};

/** What a reader sees: no tags, entities resolved as far as they occur here. */
const visible = (body: string): string =>
  body
    .replace(/<script[\s\S]*?<\/script>/g, ' ')
    .replace(/<[^>]+>/g, ' ')
    .replaceAll('&#39;', "'")
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&')
    .replaceAll('\u202f', ' ')
    .replace(/\s+/g, ' ');

describe('every page', () => {
  test.each(everyPage)('%s answers with a title, one heading and a strict policy', async (path) => {
    const { response, body } = await read(path);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-store');
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe');
    expect(body).toMatch(/<title>[^<]+ · whyslow<\/title>/);
    expect(body.match(/<h1[ >]/g)).toHaveLength(1);
  });

  test.each(everyPage)(
    '%s has no inline script, style or handler and no hostile element',
    async (path) => {
      const { body } = await read(path);
      const scripts = body.match(/<script[^>]*>/g) ?? [];
      for (const script of scripts)
        expect(script).toMatch(/src="\/assets\/|type="application\/json"/);
      expect(body).not.toMatch(/<style|<[^>]*\sstyle=|<img/);
      expect(body).not.toMatch(/<[a-z][^<>"]*\son[a-z]+=/);
      expect(body).not.toContain('<script>alert');
    },
  );
});

describe('the first page', () => {
  test('lists the worst application first, with what is wrong and whom it hits', async () => {
    const { body } = await read('/');
    const order = [...body.matchAll(/<a class="item-name" href="\/applications\/([^"]+)">/g)].map(
      ([, id]) => id,
    );
    expect(order).toEqual(['video', 'sales', 'files', 'odd', 'new-app', 'mail']);
    const text = visible(body);
    expect(text).toContain('3 applications of 6 slow or failing');
    expect(text).toContain('4 of 4 devices affected');
    expect(text).toContain('its server takes 1 034 ms to answer');
    expect(text).toContain('Waiting for the first verdict');
  });

  test('finds a device by a part of its name, without a script', async () => {
    const { body } = await read('/?q=CHLOE');
    const list = body.slice(body.indexOf('id="devices"'));
    expect(list).toContain('chloe-laptop');
    expect(list).not.toContain('anna-laptop');
    expect(body).toContain('value="CHLOE"');
  });

  test.each(['%', '_', "'; drop table devices; --", '\\'])(
    'takes %s in a search literally',
    async (q) => {
      const { response, body } = await read(`/?q=${encodeURIComponent(q)}`);
      expect(response.status).toBe(200);
      expect(body.slice(body.indexOf('id="devices"'))).not.toContain('anna-laptop');
    },
  );
});

describe('a cause that several devices share', () => {
  test('stands on the first page while it goes on, and leads to its own page', async () => {
    const { body } = await read('/');
    const text = visible(body);
    expect(text).toContain('What several devices share ● Goes on the server of Sales tool');
    expect(text).toContain('4 devices have it, none that meets it is known to be fine');
    expect(body).toContain(`href="/incidents/shared/${seedIncidentIds.now}"`);
    expect(body).not.toContain(seedIncidentIds.over);
  });

  test('is named under the sentence of a device’s answer, with whom it hits', async () => {
    const { body } = await read(`/devices/${anna.id}/applications/sales`);
    expect(visible(body)).toContain(
      'the server of Sales tool the application’s server scope: the application +978 ms, 99 % of what was added 4 devices have it, none that meets it is known to be fine shared incident',
    );
  });

  test('has a page with its sentence, level, devices, evidence and course', async () => {
    const { body } = await read(`/incidents/shared/${seedIncidentIds.now}`);
    const text = visible(body);
    expect(text).toContain('● Goes on 10 % of all devices or more 94 % sure since 20 min ago');
    expect(text).toContain('The server of Sales tool takes 978 ms longer');
    expect(text).toContain('Both edges wait for it alike.');
    for (const { name } of seedDevices.slice(0, 3)) expect(text).toContain(name);
    expect(text).toContain('Added each time');
    expect(text).toContain('Devices that suffer');
    const over = visible((await read(`/incidents/shared/${seedIncidentIds.over}`)).body);
    expect(over).toContain('✓ Ended');
    expect(over).toContain('3 devices have it, 1 that meets it is fine');
    expect(over).toContain('AS 64500');
  });

  test('is answered as JSON too, one and all, and none that there is not', async () => {
    const all = JSON.parse((await read('/v1/incidents/shared')).body) as {
      incidents: { id: string; endedAt: number | null }[];
    };
    expect(all.incidents.map(({ id }) => id)).toEqual([seedIncidentIds.now, seedIncidentIds.over]);
    const one = JSON.parse((await read(`/v1/incidents/shared/${seedIncidentIds.now}`)).body);
    expect(one).toMatchObject({
      incident: { id: seedIncidentIds.now, scope: 'application', deviceCount: 4 },
      affected: [
        { device: { name: 'anna-laptop' }, application: { name: 'Sales tool' } },
        {},
        {},
        {},
      ],
    });
    for (const path of ['/v1/incidents/shared', '/incidents/shared']) {
      expect((await read(`${path}/${randomUUID()}`)).response.status).toBe(404);
    }
  });
});

describe('the triage answer', () => {
  test('says what is wrong, what to do, how sure it is and since when', async () => {
    const { body } = await read(`/devices/${anna.id}/applications/sales`);
    const text = visible(body);
    expect(text).toContain('Sales tool is slow on anna-laptop since 20 minutes');
    expect(text).toContain('What to do Ask the application’s owner');
    expect(text).toContain('93 % sure');
    expect(text).toContain('score 21 poor');
    expect(text).toContain('since 20 min ago');
    expect(text).toContain('3 of 3 other devices affected too');
  });

  test('splits the time into parts beside the usual ones, and shows what was not measured', async () => {
    const { body } = await read(`/devices/${anna.id}/applications/sales`);
    const ledger = visible(body.slice(body.indexOf('class="ledger"'), body.indexOf('The path')));
    expect(ledger).toMatch(/the application’s server 1 034 ms 56 ms \+978 ms/);
    expect(ledger).toMatch(/queueing in the tunnel not measured –/);
    expect(ledger).toMatch(/not explained 5 ms/);
    expect(body).toContain('queueing in the tunnel: not measured</title>');
  });

  test('of a verdict about a page splits the request beside it, and says so', async () => {
    const { response, body } = await read(`/v1/devices/${anna.id}/applications/sales`);
    expect(response.status).toBe(200);
    const view = JSON.parse(body) as DeviceApplicationView;
    if (view.verdict?.ledger == null) throw new Error('no ledger');
    const shown = (verdict: object, more: object = {}) => {
      const changed = { ...view, ...more, verdict: { ...view.verdict, ...verdict } };
      const frame = { nowMs: pages.clock.nowMs, window: '1h', assetsUrl: '/assets/' } as const;
      return visible(answerPage(frame, changed as DeviceApplicationView).toString());
    };
    const ofRequest = 'Of the request by itself, as its HTTP probe measures it';
    expect(shown({ totalMs: view.verdict.ledger.totalMs })).not.toContain(ofRequest);
    const ofPage = shown({ state: 'failing', segment: 'page', totalMs: null });
    expect(ofPage).toContain(ofRequest);
    expect(ofPage).toContain('1 034 ms');
    const none = { ledger: null, totalMs: null };
    expect(shown({ ...none, state: 'failing' })).toContain('The newest requests failed');
    expect(shown({ ...none, state: 'ok' })).toContain('No complete HTTP run');
    const runs = view.runs.map((run) => ({ ...run, type: 'page-load' }));
    expect(shown({ ...none, state: 'failing' }, { runs })).toContain('runs are page loads');
  });

  test('draws both legs, silent hops included', async () => {
    const { body } = await read(`/devices/${anna.id}/applications/files`);
    const path = body.slice(body.indexOf('The path'), body.indexOf('Evidence'));
    expect(visible(path)).toMatch(
      /Leg 1 to edge fra-1 16 ms round trip.*anna-laptop.*Leg 2 to File share 148 ms/,
    );
    expect(path.match(/class="hop silent"/g)?.length).toBeGreaterThan(1);
  });

  test('says why a leg has no hops', async () => {
    const { body } = await read(`/devices/${seedDevices[2].id}/applications/mail`);
    expect(visible(body)).toContain(
      'Hops not measured: this edge may not open raw sockets (CAP_NET_RAW)',
    );
  });

  test('tells a failed run by type, message and advice', async () => {
    const { body } = await read(`/devices/${anna.id}/applications/video`);
    expect(visible(body)).toContain(
      'policy.blocked edge fra-1 refused the destination: rule no-video The organisation’s policy does not allow this destination',
    );
  });

  test('does not speak of now once the newest verdict is old', async () => {
    const { nowMs } = pages.clock;
    pages.clock.nowMs = nowMs + 40 * 60_000;
    try {
      const { body } = await read(`/devices/${anna.id}/applications/sales`);
      expect(visible(body)).toContain('No recent data');
      expect(visible(body)).toContain('Last known 40 min ago');
    } finally {
      pages.clock.nowMs = nowMs;
    }
  });
});

describe('other pages', () => {
  test('a device shows its health, its changes and the runs that did not happen', async () => {
    const text = visible((await read(`/devices/${anna.id}`)).body);
    expect(text).toContain('wifi, wlp3s0, 433 Mbit/s');
    expect(text).toContain('fra-1 is 11 ms closer than ams-1');
    expect(text).toMatch(/sales-http the run before had not ended 3/);
  });

  test('incidents under way stand before closed ones', async () => {
    const text = visible((await read('/incidents')).body);
    expect(text).toContain('12 open incidents');
    expect(text.indexOf('● Open')).toBeLessThan(text.indexOf('✓ Closed'));
  });

  test('edges show their newest sample and what they measured onward', async () => {
    const text = visible((await read('/edges')).body);
    expect(text).toContain('fra-1 Frankfurt');
    expect(text).toContain('edge fra-1 → File share');
  });

  test.each([
    '/devices/not-a-uuid',
    `/devices/${randomUUID()}`,
    '/applications/none',
    `/devices/${anna.id}/applications/none`,
  ])('%s is a page that says there is nothing', async (path) => {
    const { response, body } = await read(path);
    expect(response.status).toBe(404);
    expect(body).toContain('There is nothing here');
  });

  test('assets may be kept for ever under their version, and only under it', async () => {
    const { body } = await read('/');
    const script = /src="(\/assets\/[^"]+)"/.exec(body)?.[1] ?? '';
    const { response } = await read(script);
    expect(response.headers.get('cache-control')).toContain('immutable');
    expect(response.headers.get('content-type')).toContain('text/javascript');
    const old = await read('/assets/older/uplot.js');
    expect(old.response.headers.get('cache-control')).toBe('no-cache');
    expect((await read('/assets/older/..%2f..%2fpackage.json')).response.status).toBe(404);
  });
});

describe('the same as JSON', () => {
  const json = async (path: string) => (await fetch(`${pages.url}${path}`)).json();

  test('applications, worst first', async () => {
    const { applications } = (await json('/v1/applications')) as {
      applications: { id: string; state: string; affectedDeviceCount: number }[];
    };
    expect(applications.slice(0, 2)).toMatchObject([
      { id: 'video', state: 'failing', affectedDeviceCount: 4 },
      { id: 'sales', state: 'slow', affectedDeviceCount: 4 },
    ]);
  });

  test('the triage answer, with the verdict as it was stored', async () => {
    expect(await json(`/v1/devices/${anna.id}/applications/sales`)).toMatchObject({
      state: 'slow',
      verdict: { segment: 'server', score: 21 },
      path: [{ from: 'anna-laptop' }, { from: 'edge fra-1' }],
    });
  });

  test.each([
    ['/v1/applications/none', 404],
    ['/v1/devices/x/triage', 400],
    [`/v1/devices/${randomUUID()}/triage`, 404],
    ['/v1/applications?window=2y', 400],
  ])('%s is refused with problem details, status %d', async (path, status) => {
    const response = await fetch(`${pages.url}${path}`);
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toContain('application/problem+json');
  });
});

describe('without data', () => {
  test('every list says what to do next', async () => {
    const bare = await startPages({ seeded: false });
    try {
      const get = async (path: string) => visible(await (await fetch(`${bare.url}${path}`)).text());
      expect(await get('/')).toContain('No application is declared yet');
      expect(await get('/devices')).toContain('No device has enrolled yet: run');
      expect(await get('/edges')).toContain('No edge has enrolled yet: run');
      expect(await get('/incidents')).toContain('An incident opens when');
    } finally {
      await bare.stop();
    }
  }, 60_000);

  test('whoever is not let in sees no page and no number', async () => {
    const closed = await startPages({ seeded: false, signedIn: false });
    try {
      for (const path of ['/', '/edges', '/v1/applications', '/v1/incidents']) {
        expect((await fetch(`${closed.url}${path}`)).status).toBe(401);
      }
      const page = await fetch(closed.url);
      expect(page.headers.get('content-type')).toContain('text/html');
      expect(page.headers.get('www-authenticate')).toContain('Bearer');
      expect(await page.text()).toContain('/enter?token=');
    } finally {
      await closed.stop();
    }
  }, 60_000);
});
