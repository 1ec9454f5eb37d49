import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { Readable } from 'node:stream';
import type { Browser } from 'puppeteer-core';
import type { ProbeLog } from '#probes/log.ts';
import { findBrowser } from './find-browser.ts';
import { browserFlags } from './flags.ts';
import { type PipeWatch, watchPipe } from './pipe-watch.ts';
import { createProfile, groupMemoryBytes, removeProfile, sweepProfiles } from './profile.ts';
import { trustAuthorities } from './trust.ts';

/** A fresh process now and then keeps leaks of the browser out of the measurements. */
const maxRuns = 50;
const maxMemoryBytes = 700e6;
const launchTimeoutMs = 30_000;

export type BrowserSettings = {
  browserPath: string | undefined;
  workFolder: string;
  extraCa: readonly string[];
};

export type LentBrowser =
  | {
      kind: 'browser';
      browser: Browser;
      version: string;
      /** Of its processes; undefined where the system does not tell. */
      groupId: number | undefined;
      /** Why the last page's process or the browser ended; undefined: nothing useful is known. */
      crashFinding: () => string | undefined;
      /** Why it could not be given the extra CAs; undefined: it trusts them. */
      untrusted: string | undefined;
    }
  | { kind: 'missing'; message: string }
  | { kind: 'crashed'; message: string };

type Warm = {
  browser: Browser;
  pipe: PipeWatch | undefined;
  /** How the last page's process ended, in Chromium's word. */
  lastCrash: { status: string } | undefined;
  version: string;
  untrusted: string | undefined;
  profile: string;
  settings: string;
  runCount: number;
};

/** The browser that is kept between runs. The caller uses it for one run at a time. */
export const createWarmBrowser = ({ log }: { log?: ProbeLog } = {}) => {
  let warm: Warm | undefined;
  let isSwept = false;

  const discard = async (reason: string): Promise<void> => {
    const old = warm;
    warm = undefined;
    if (old === undefined) return;
    log?.debug({ component: 'page-load', reason, runCount: old.runCount }, 'browser ended');
    killGroup(old.browser);
    await old.browser.close().catch(() => {});
    await removeProfile(old.profile).catch(() => {});
  };

  const launch = async (settings: BrowserSettings, executablePath: string): Promise<Warm> => {
    const profile = await createProfile(settings.workFolder);
    const untrusted = await trustAuthorities(profile, settings.extraCa);
    if (untrusted !== undefined) {
      log?.warn({ component: 'page-load', reason: untrusted }, 'browser does not trust extra CAs');
    }
    try {
      // 28 MB and 0.4 s of CPU that an agent without page loads and a command without a page are spared.
      const { launch: launchBrowser } = await import('puppeteer-core');
      const browser = await launchBrowser({
        executablePath,
        headless: true,
        // A pipe ends with this process even when that is killed; a socket would leave an orphan.
        pipe: true,
        userDataDir: `${profile}/profile`,
        // Pages open windows only when they are clicked on, as in a person's browser.
        ignoreDefaultArgs: ['--disable-popup-blocking'],
        args: browserFlags({
          isRoot: process.getuid?.() === 0,
          isContainer: existsSync('/.dockerenv') || existsSync('/run/.containerenv'),
        }),
        timeout: launchTimeoutMs,
        defaultViewport: { width: 1366, height: 768 },
        handleSIGINT: false,
        handleSIGTERM: false,
        handleSIGHUP: false,
        ...cleanEnvironment(profile),
      });
      const pipe = watchPipeOf(browser);
      const version = await browser.version();
      log?.debug({ component: 'page-load', version }, 'browser started');
      const started: Warm = {
        browser,
        pipe,
        lastCrash: undefined,
        version,
        untrusted,
        profile,
        settings: fingerprint(settings),
        runCount: 0,
      };
      await noteCrashes(browser, (status) => {
        started.lastCrash = { status };
      }).catch(() => {});
      return started;
    } catch (error) {
      await removeProfile(profile).catch(() => {});
      throw error;
    }
  };

  return {
    /** The warm browser, or a new one: after a crash, 50 runs, or a change of settings. */
    async borrow(settings: BrowserSettings): Promise<LentBrowser> {
      if (!isSwept) await sweepProfiles(settings.workFolder);
      isSwept = true;
      const unfit = warm === undefined ? undefined : unfitness(warm, settings);
      if (unfit !== undefined) await discard(unfit);
      if (warm === undefined) {
        const path = findBrowser({
          configured: settings.browserPath,
          platform: process.platform,
          home: homedir(),
          exists: existsSync,
        });
        if (path === undefined) return { kind: 'missing', message: missing(settings.browserPath) };
        try {
          warm = await launch(settings, path);
        } catch (error) {
          return { kind: 'crashed', message: `did not start: ${(error as Error).message}` };
        }
      }
      warm.runCount += 1;
      const lent = warm;
      lent.lastCrash = undefined;
      lent.pipe?.begin();
      const { browser, version, untrusted } = lent;
      return {
        kind: 'browser',
        browser,
        version,
        groupId: browser.process()?.pid,
        crashFinding: () =>
          lent.pipe?.finding() ?? (lent.lastCrash?.status === 'oom' ? 'out of memory' : undefined),
        untrusted,
      };
    },
    discard,
    /** Ends it in the midst of a run, which sees it gone. */
    kill(): void {
      if (warm !== undefined) killGroup(warm.browser);
    },
  };
};

export type WarmBrowser = ReturnType<typeof createWarmBrowser>;

const missing = (configured: string | undefined): string =>
  configured === undefined
    ? 'no Chrome, Chromium or Edge in the usual places'
    : `there is no browser at the configured path ${configured}`;

const fingerprint = ({ browserPath, workFolder, extraCa }: BrowserSettings): string =>
  JSON.stringify([browserPath, workFolder, extraCa]);

const unfitness = (warm: Warm, settings: BrowserSettings): string | undefined => {
  if (!warm.browser.connected) return 'it had ended';
  if (warm.settings !== fingerprint(settings)) return 'settings changed';
  if (warm.runCount >= maxRuns) return `${maxRuns} runs`;
  const pid = warm.browser.process()?.pid;
  const memoryBytes = pid === undefined ? undefined : groupMemoryBytes(pid);
  return memoryBytes !== undefined && memoryBytes > maxMemoryBytes ? 'memory' : undefined;
};

/** Puppeteer only says that a page crashed, not how. */
const noteCrashes = async (browser: Browser, note: (status: string) => void): Promise<void> => {
  const session = await browser.target().createCDPSession();
  session.on('Target.targetCrashed', ({ status }) => note(status));
  await session.send('Target.setDiscoverTargets', { discover: true });
};

/** The fifth of its streams is what it writes (--remote-debugging-pipe). */
const watchPipeOf = (browser: Browser): PipeWatch | undefined => {
  const pipe = browser.process()?.stdio[4];
  return pipe instanceof Readable ? watchPipe(pipe, () => killGroup(browser)) : undefined;
};

/** Puppeteer starts it as the leader of a group of its own: renderers go with it. */
const killGroup = (browser: Browser): void => {
  const pid = browser.process()?.pid;
  if (pid === undefined || process.platform === 'win32') return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // All of the group has ended already.
  }
};

/**
 * Only what Chromium needs: variables such as `https_proxy` would change where it connects. HOME is
 * where it looks for further CAs. Windows and macOS need their own variables.
 */
const cleanEnvironment = (home: string): { env?: Record<string, string> } =>
  process.platform === 'linux'
    ? {
        env: {
          HOME: home,
          PATH: '/usr/local/bin:/usr/bin:/bin',
          LANG: 'C.UTF-8',
          ...(home.length <= maxTmpLength ? { TMPDIR: home } : {}),
        },
      }
    : {};

/**
 * Chromium puts a socket in TMPDIR, in a folder of its own, that stays when it is killed; here it
 * goes with the profile. A socket's path has 107 characters at most (unix(7)), 45 of them its own.
 */
const maxTmpLength = 60;
