import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findBrowser } from '#probes/page-load/find-browser.ts';
import { browserFlags } from '#probes/page-load/flags.ts';
import { noMilestones, parseMilestones } from '#probes/page-load/milestones.ts';
import { createProblemLog } from '#probes/page-load/problems.ts';
import { isStaleProfile, sweepProfiles } from '#probes/page-load/profile.ts';
import { createRedactor } from '#probes/page-load/redact.ts';
import { createResourceLog, siteOf, withoutQuery } from '#probes/page-load/resources.ts';
import { matchesUrl } from '#probes/page-load/step-actions.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';

describe('the browser', () => {
  const having = (...paths: string[]) => ({
    home: '/home/u',
    exists: (path: string) => paths.includes(path),
  });

  it.each([
    ['linux', '/usr/bin/chromium'],
    ['linux', '/usr/bin/microsoft-edge'],
    ['darwin', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'],
    ['darwin', '/home/u/Applications/Chromium.app/Contents/MacOS/Chromium'],
    ['win32', 'C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe'],
  ] as const)('is found on %s at %s', (platform, path) => {
    expect(findBrowser({ configured: undefined, platform, ...having(path) })).toBe(path);
  });

  it('is the configured one or none', () => {
    const search = { platform: 'linux', ...having('/usr/bin/chromium', '/opt/b') } as const;
    expect(findBrowser({ configured: '/opt/b', ...search })).toBe('/opt/b');
    expect(findBrowser({ configured: '/opt/other', ...search })).toBeUndefined();
  });

  it('keeps its sandbox except as root or in a container', () => {
    const sandboxed = browserFlags({ isRoot: false, isContainer: false });
    expect(sandboxed).not.toContain('--no-sandbox');
    expect(browserFlags({ isRoot: true, isContainer: false })).toContain('--no-sandbox');
    expect(browserFlags({ isRoot: false, isContainer: true })).toContain('--no-sandbox');
    expect(sandboxed.join(' ')).not.toContain('ignore-certificate');
  });
});

describe('profiles', () => {
  it('are stale when the program that made them is gone', async () => {
    expect(isStaleProfile('browser-123-abcdef', () => false)).toBe(true);
    expect(isStaleProfile('browser-123-abcdef', () => true)).toBe(false);
    expect(isStaleProfile('spool', () => false)).toBe(false);
    expect(isStaleProfile('browser-notes', () => false)).toBe(false);
  });

  it('are swept, and nothing else is', async () => {
    const folder = await makeTemporaryFolder();
    // No process has this id: it is above the highest that Linux gives.
    for (const name of ['browser-4194305-aa', `browser-${process.pid}-bb`, 'spool']) {
      await mkdir(join(folder, name));
    }
    await sweepProfiles(folder);
    expect((await readdir(folder)).sort()).toEqual([`browser-${process.pid}-bb`, 'spool']);
  });
});

describe('resources', () => {
  const request = (requestId: string, url: string, timestamp: number, more: object = {}) =>
    ({ requestId, timestamp, type: 'Image', request: { url }, ...more }) as never;
  const timing = {
    requestTime: 100,
    dnsStart: 1,
    dnsEnd: 5,
    connectStart: 5,
    connectEnd: 35,
    sslStart: 15,
    sslEnd: 35,
    sendStart: 35,
    sendEnd: 36,
    receiveHeadersStart: 86,
    receiveHeadersEnd: 88,
  };

  it('split into phases that do not overlap; connect is TCP alone', () => {
    const log = createResourceLog();
    log.onRequest(request('1', 'https://a.test/x?token=1#f', 100, { type: 'Document' }));
    log.onResponse({
      requestId: '1',
      response: { status: 200, timing, encodedDataLength: 120 },
    } as never);
    log.onFinished({ requestId: '1', timestamp: 100.136, encodedDataLength: 5_000 } as never);
    const { resources, documentTtfbMs } = log.summary('https://a.test/', 50, createRedactor([]));
    const [resource] = resources;
    expect(resource).toMatchObject({
      url: 'https://a.test/x',
      host: 'a.test',
      type: 'document',
      dnsMs: 4,
      connectMs: 10,
      tlsMs: 20,
      waitMs: 50,
      transferBytes: 5_000,
      failed: null,
    });
    expect(resource?.receiveMs).toBeCloseTo(50);
    expect(resource?.durationMs).toBeCloseTo(136);
    expect(documentTtfbMs).toBeCloseTo(88);
  });

  it('are counted with redirects, failures, unfinished ones and third parties', () => {
    const log = createResourceLog();
    log.onRequest(request('1', 'https://www.a.test/', 10));
    log.onRequest(
      request('1', 'https://a.test/', 10.1, {
        redirectResponse: { status: 301, encodedDataLength: 10 },
      }),
    );
    log.onRequest(request('2', 'https://cdn.b.test/y', 10.2));
    log.onFailed({ requestId: '2', timestamp: 10.3, errorText: 'net::ERR_FAILED' } as never);
    log.onRequest(request('3', 'https://a.test/z', 10.4));
    log.onRequest(request('4', 'data:image/png;base64,AA', 10.4));
    const summary = log.summary('https://a.test/', 2, createRedactor([]));
    expect(summary).toMatchObject({ requestCount: 4, failedRequestCount: 3, thirdPartyCount: 1 });
    expect(summary.resources).toHaveLength(2);
    expect(log.isQuietFor(0)).toBe(false);
  });

  it('give the phases of the page’s own document, with its redirects, not of a frame’s', () => {
    const log = createResourceLog();
    const own = { type: 'Document', frameId: 'page' };
    const answer = (requestId: string) =>
      log.onResponse({
        requestId,
        response: { status: 200, timing, encodedDataLength: 1 },
      } as never);
    log.onRequest(request('1', 'https://a.test/', 99.9, own));
    const redirectResponse = { status: 302, encodedDataLength: 1 };
    log.onRequest(request('1', 'https://b.test/', 100, { ...own, redirectResponse }));
    answer('1');
    log.onFinished({ requestId: '1', timestamp: 100.1, encodedDataLength: 9 } as never);
    log.onRequest(request('2', 'https://ads.test/', 100.2, { type: 'Document', frameId: 'ad' }));
    answer('2');
    expect(log.navigation()?.redirectMs).toBeCloseTo(100);
    expect(log.navigation()).toMatchObject({ dnsMs: 4, connectMs: 10, tlsMs: 20, waitMs: 50 });
    expect(log.navigation()?.receiveMs).toBeCloseTo(14);
  });

  it('are summed up by host, the slowest first, and name what failed', () => {
    const log = createResourceLog();
    log.onRequest(request('1', 'https://www.a.test/', 10));
    log.onFinished({ requestId: '1', timestamp: 10.1, encodedDataLength: 100 } as never);
    for (const id of ['2', '3']) {
      log.onRequest(request(id, `https://cdn.b.test/${id}?k=v`, 10));
      log.onFailed({ requestId: id, timestamp: 10.3, errorText: 'net::ERR_FAILED' } as never);
    }
    const { hosts, networkProblems } = log.summary('https://a.test/', 50, createRedactor([]));
    expect(hosts).toMatchObject([
      { host: 'cdn.b.test', requestCount: 2, isThirdParty: true },
      { host: 'www.a.test', requestCount: 1, transferBytes: 100, isThirdParty: false },
    ]);
    expect(hosts[0]?.sumMs).toBeCloseTo(600);
    expect(hosts[0]?.longestMs).toBeCloseTo(300);
    expect(networkProblems).toEqual([
      'net::ERR_FAILED https://cdn.b.test/2',
      'net::ERR_FAILED https://cdn.b.test/3',
    ]);
  });

  it.each([
    ['www.example.com', 'example.com'],
    ['a.b.example.co.uk', 'example.co.uk'],
    ['example.de', 'example.de'],
    ['localhost', 'localhost'],
    ['127.0.0.1', '127.0.0.1'],
    ['[::1]', '::1'],
  ])('belong by their host %s to the site %s', (host, site) => {
    expect(siteOf(host)).toBe(site);
  });

  it('lose the query of their URL', () => {
    expect(withoutQuery('https://a.test/p?x=1#y')).toBe('https://a.test/p');
  });
});

describe('a page’s complaints', () => {
  it('are kept once each, short, without queries, and counted all', () => {
    const log = createProblemLog(createRedactor([]));
    for (let i = 0; i < 3; i++) log.onConsole('bad https://a.test/x?token=abc');
    log.onConsole('Failed to load resource: the server responded with a status of 404');
    log.onException(`TypeError: ${'x '.repeat(1_000)}`);
    expect(log.consoleCount()).toBe(5);
    const problems = log.withNetwork(Array.from({ length: 20 }, (_, i) => `status 404 /${i}`));
    expect(problems).toHaveLength(10);
    expect(problems[0]).toEqual({ kind: 'console', text: 'bad https://a.test/x?…' });
    expect(problems[1]?.text.length).toBeLessThanOrEqual(300);
    expect(problems[2]).toEqual({ kind: 'network', text: 'status 404 /0' });
  });
});

describe('secrets', () => {
  it('are taken out of every text in whatever form a page passes them on', () => {
    const secret = 'p@ss "w"ord/é';
    const redactor = createRedactor([secret, '']);
    const texts = [
      secret,
      `https://a.test/?p=${encodeURIComponent(secret)}`,
      new URLSearchParams({ p: secret }).toString(),
      JSON.stringify({ p: secret }),
      `Basic ${Buffer.from(secret).toString('base64')}`,
    ];
    const { left } = redactor.deep({ left: texts, count: 3 });
    for (const text of left) expect(text).not.toMatch(/ss|ord/);
    expect(left[1]).toBe('https://a.test/?p=•••');
    expect(createRedactor([]).deep({ a: 'x' })).toEqual({ a: 'x' });
  });

  it.each([
    ['with its blanks folded', 'a word  of\tmine', 'you typed “a word of mine”'],
    ['with blanks at its ends', ' pass-w0rd ', 'typed pass-w0rd.'],
    ['in small letters', 'Tr0ub4dor', 'user tr0ub4dor'],
    ['in capitals', 'Tr0ub4dor', 'user TR0UB4DOR'],
    ['percent-encoded in capitals', 'pä/ss', 'p%C3%A4%2Fss'],
    ['percent-encoded in small letters', 'pä/ss', 'p%c3%a4%2fss'],
    ['percent-encoded letter by letter', 'pass', '%70%61%73%73'],
    ['encoded twice', 'pä/ss', 'p%25C3%25A4%252Fss'],
    ['strictly encoded', "it's!(x)", 'it%27s%21%28x%29'],
    ['in JSON within JSON', 'a"b"c"d', JSON.stringify(JSON.stringify('a"b"c"d'))],
    ['in HTML', 'a&b<c>', 'a&amp;b&lt;c&gt;'],
  ])('are found %s', (_, secret, text) => {
    const left = createRedactor([secret]).text(text);
    expect(left).toContain('•••');
    expect(left.toLowerCase()).not.toMatch(/word|tr0|ss|%|b&|it/);
  });

  it.each(['', 'a', 'ab', 'abc'])('are found in base64 after %j', (before) => {
    const whole = Buffer.from(`${before}hunter22-S3cret:after`).toString('base64');
    const left = createRedactor(['hunter22-S3cret']).text(`Basic ${whole}`);
    // What is left holds no whole byte of it.
    expect(left).toMatch(/^Basic [\w+/]{0,5}•••/);
    expect(left.length).toBeLessThan(whole.length - 8);
  });

  it('leave no rest where they overlap or one is part of another', () => {
    const { text } = createRedactor(['abcdef', 'defghi', 'abcd', 'mnmn']);
    expect(text('x abcdefghi y abcdef z abcd mnmnmn')).toBe('x ••• y ••• z ••• •••');
  });

  it('are gone before a text is cut, so that no first part of one stays', () => {
    const secret = 'hunter22-S3cret';
    const redactor = createRedactor([secret]);
    for (let length = 295; length <= 315; length++) {
      const text = `${'x'.repeat(length - 5)}${secret}${'y'.repeat(10_000)}`;
      expect(redactor.start(text, length)).not.toContain('h');
      const log = createProblemLog(redactor);
      log.onConsole(text.replaceAll('x', 'a '));
      expect(log.withNetwork([])[0]?.text).not.toContain('hunt');
    }
    expect(redactor.start('short', 300)).toBe('short');
    const many = secret.repeat(10_000);
    expect(redactor.start(many, 300)).not.toMatch(/[a-z]/i);
  });
});

describe('an address that is waited for', () => {
  it.each([
    ['/home', 'https://a.test/home?x=1', true],
    ['/home*tab=2', 'https://a.test/home?x=1&tab=2', true],
    ['https://*.a.test/', 'https://crm.a.test/', true],
    ['/ho.e', 'https://a.test/home', false],
    ['/home', 'https://a.test/login', false],
    ['/b*/a*/b*/b', 'https://a.test/b/a/b', false],
    ['/a**b', 'https://a.test/a/b', true],
  ])('%s is found in %s: %s', (wanted, url, isThere) => {
    expect(matchesUrl(wanted, url)).toBe(isThere);
  });

  it('costs next to nothing however long the page makes it', () => {
    const startedMs = performance.now();
    for (let i = 0; i < 100; i++) {
      expect(matchesUrl('/a/*/b/*/done', `https://a.test${'/a/b'.repeat(50_000)}`)).toBe(false);
    }
    expect(performance.now() - startedMs).toBeLessThan(2_000);
  });
});

describe('milestones', () => {
  it('are taken from a page only when they are what they should be', () => {
    const good = { ...noMilestones, fcpMs: 12, cls: 0.1 };
    expect(parseMilestones(good)).toEqual(good);
    expect(parseMilestones({ ...good, fcpMs: 'x' })).toEqual(noMilestones);
    expect(parseMilestones(null)).toEqual(noMilestones);
  });
});
