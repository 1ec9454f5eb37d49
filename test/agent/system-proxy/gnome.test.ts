import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { linuxProxy } from '#agent/system-proxy/linux.ts';
import { createSystemProxy } from '#agent/system-proxy/system-proxy.ts';
import { silentLog } from '#runtime/log.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';

const tool = 'gsettings';

/** gsettings itself, with its settings in a file of this test instead of the user's dconf. */
const hasGnomeSchemas = (): boolean => {
  try {
    return execFileSync(tool, ['list-schemas'], { encoding: 'utf8' }).includes(
      'org.gnome.system.proxy',
    );
  } catch {
    return false;
  }
};

describe.runIf(hasGnomeSchemas())('the proxy of a GNOME desktop', () => {
  let environment: Record<string, string>;
  let stateFolder: string;
  const events: string[] = [];

  beforeEach(async () => {
    stateFolder = await makeTemporaryFolder();
    environment = { HOME: stateFolder, XDG_CONFIG_HOME: stateFolder, GSETTINGS_BACKEND: 'keyfile' };
    events.length = 0;
  });
  const gsettings = (...args: string[]): string =>
    execFileSync(tool, args, { env: { ...process.env, ...environment }, encoding: 'utf8' });
  const settings = () =>
    gsettings('list-recursively', 'org.gnome.system.proxy').trim().split('\n').sort();
  const mode = () => gsettings('get', 'org.gnome.system.proxy', 'mode').trim();
  const start = () =>
    createSystemProxy({
      stateFolder,
      log: silentLog(),
      onChange: (reason) => events.push(reason),
      platform: linuxProxy,
      environment,
    });
  const http = { host: '127.0.0.1', port: 9_339 };

  it('is set, and given back as it was when the agent stops', async () => {
    gsettings('set', 'org.gnome.system.proxy', 'mode', 'manual');
    gsettings('set', 'org.gnome.system.proxy.http', 'host', "it's.corp.test");
    gsettings('set', 'org.gnome.system.proxy', 'ignore-hosts', "['*.corp.test']");
    const before = settings();
    const proxy = start();
    await proxy.want({ kind: 'manual', http, socks: { ...http, port: 9_340 } });
    expect(settings()).toEqual(
      expect.arrayContaining([
        "org.gnome.system.proxy mode 'manual'",
        "org.gnome.system.proxy.https host '127.0.0.1'",
        'org.gnome.system.proxy.https port 9339',
        'org.gnome.system.proxy.socks port 9340',
      ]),
    );
    await proxy.want({ kind: 'pac', url: 'http://127.0.0.1:9339/proxy.pac' });
    expect(mode()).toBe("'auto'");
    expect(proxy.status()).toEqual({ state: 'set', problem: '' });
    await proxy.stop();
    expect(settings()).toEqual(before);
    expect(existsSync(join(stateFolder, 'system-proxy.json'))).toBe(false);
    expect(events).toHaveLength(3);
  });

  it('is given back by the next life of an agent that was killed', async () => {
    const before = settings();
    await start().want({ kind: 'pac', url: 'http://127.0.0.1:9339/proxy.pac' });
    const next = start();
    await next.want({ kind: 'manual', http });
    await next.want(undefined);
    expect(settings()).toEqual(before);
    await start().want({ kind: 'pac', url: 'http://127.0.0.1:9339/proxy.pac' });
    await start().want(undefined);
    expect(settings()).toEqual(before);
  });

  it('is not touched when nothing is wanted', async () => {
    const proxy = start();
    await proxy.want(undefined);
    await proxy.stop();
    expect(events).toEqual([]);
    expect(proxy.status()).toEqual({ state: 'untouched', problem: '' });
  });
});
