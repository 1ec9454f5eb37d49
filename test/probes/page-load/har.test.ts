import { describe, expect, it } from 'vitest';
import { createHarLog } from '#probes/page-load/har.ts';
import { noMilestones } from '#probes/page-load/milestones.ts';
import { createRedactor } from '#probes/page-load/redact.ts';

type Headers = Record<string, string>;
type Exchange = { url?: string; request?: Headers; response?: Headers };

const archiveOf = (exchanges: Exchange[], secrets: string[] = []) => {
  const log = createHarLog();
  exchanges.forEach(({ url = 'https://a.test/', request = {}, response = {} }, index) => {
    const requestId = String(index);
    log.onRequest({
      requestId,
      timestamp: 1,
      wallTime: 1.7e9,
      request: { url, method: 'GET', headers: request },
    } as never);
    log.onResponse({
      requestId,
      response: { status: 200, statusText: '', headers: response, url, mimeType: 'text/html' },
    } as never);
    log.onFinished({ requestId, timestamp: 2, encodedDataLength: 1 } as never);
  });
  const redactor = createRedactor(secrets);
  const page = { url: 'https://a.test/', browser: 'c/1', milestones: noMilestones, redactor };
  return log.archive(page).log;
};

const headersOf = (response: Headers) =>
  Object.fromEntries(
    (archiveOf([{ response }]).entries[0]?.response.headers ?? []).map(({ name, value }) => [
      name,
      value,
    ]),
  );

describe('headers in an archive', () => {
  it('keep their values only where these are known to be nobody’s', () => {
    const shown = {
      'content-type': 'text/html; charset=utf-8',
      'Cache-Control': 'max-age=60',
      'server-timing': 'edge;dur=1',
      'accept-language': 'de',
      'user-agent': 'Mozilla/5.0',
      vary: 'accept',
      'x-cache': 'HIT',
    };
    const hidden = {
      'X-Goog-IAP-JWT-Assertion': 'eyJhbGciOi',
      'X-SID': '5f0a11',
      DPoP: 'eyJ0eXAi.proof.sig',
      'X-Amz-Credential': 'AKIA123',
      'X-User-Email': 'alice@corp.example',
      'X-Access-Key': 'AK-1',
      etag: '"alice-7"',
      'set-cookie': 'a=b',
    };
    const headers = headersOf({
      ...shown,
      ...hidden,
      location: 'https://u:p@b.test/next?code=1#x',
    });
    expect(headers).toMatchObject(shown);
    for (const name of Object.keys(hidden)) expect(headers).toHaveProperty(name, 'redacted');
    expect(headers['location']).toBe('https://b.test/next?code=redacted');
  });

  it('are at most 100 of 500 characters, and however long they were cost little', () => {
    const many = Object.fromEntries(
      Array.from({ length: 300 }, (_, i) => [`accept-${'x'.repeat(i % 20)}${i}`, 'v']),
    );
    expect(Object.keys(headersOf(many)).length).toBeLessThanOrEqual(100);
    const startedMs = process.cpuUsage().user / 1_000;
    const long = headersOf({
      via: 'a'.repeat(1_000_000),
      server: 'a-'.repeat(500_000),
      location: `/${'a'.repeat(1_000_000)}`,
    });
    // It took minutes.
    expect(process.cpuUsage().user / 1_000 - startedMs).toBeLessThan(2_000);
    expect(long['via']).toHaveLength(500);
    expect(long['location']?.length).toBeLessThanOrEqual(500);
  });
});

describe('addresses in an archive', () => {
  it.each([
    ['/reset/8f1c2d3e4a5b6c7d8e9f8f1c2d3e4a5b/confirm', '/reset/redacted/confirm'],
    ['/t/3b241101-e2bb-4255-8caf-4136c566a962', '/t/redacted'],
    ['/in/eyJhbGciOi.eyJlbWFp.c2ln', '/in/redacted'],
    ['/home;jsessionid=5F0A/x', '/home;redacted/x'],
    ['/a-name-of-an-article-that-is-long-enough', '/a-name-of-an-article-that-is-long-enough'],
    ['/static/main.8f1c2d3e.js', '/static/main.8f1c2d3e.js'],
  ])('%s is shown as %s', (path, shown) => {
    const [entry] = archiveOf([{ url: `https://a.test${path}` }]).entries;
    expect(entry?.request.url).toBe(`https://a.test${shown}`);
  });

  it('hold no part of a secret where they and headers are cut', () => {
    const secret = 'hunter22-S3cret';
    for (let length = 480; length < 500; length++) {
      const via = 'x'.repeat(length) + secret;
      const url = `https://a.test/${'x'.repeat(length + 1_548)}${secret}`;
      const text = JSON.stringify(archiveOf([{ url, response: { via } }], [secret]));
      expect(text).not.toContain('hun');
    }
  });
});

describe('an archive', () => {
  it('is no larger than 1.5 MB: the last requests are left out, which it says', () => {
    const response = Object.fromEntries(
      Array.from({ length: 90 }, (_, i) => [
        `accept-${'abcdefghij'[i % 10]}${'z'.repeat(i / 10)}`,
        'v'.repeat(500),
      ]),
    );
    const log = archiveOf(
      Array.from({ length: 60 }, (_, i) => ({ url: `https://a.test/${i}`, response })),
    );
    const bytes = Buffer.byteLength(JSON.stringify(log));
    expect(bytes).toBeGreaterThan(1_400_000);
    expect(bytes).toBeLessThan(1_510_000);
    expect(log.entries[0]?.request.url).toBe('https://a.test/0');
    expect(log.comment).toBe(`${60 - log.entries.length} further requests left out`);
  });
});
