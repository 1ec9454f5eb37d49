import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { commandText } from '#agent/system-proxy/command-text.ts';
import { type DryRunPlatform, dryRun } from '#agent/system-proxy/dry-run.ts';
import { macosProxy } from '#agent/system-proxy/macos.ts';
import type { WantedProxy } from '#agent/system-proxy/platform.ts';
import { wantedProxy } from '#agent/system-proxy/wanted.ts';
import { windowsProxy } from '#agent/system-proxy/windows.ts';
import type { ForwardingPolicy } from '#contract/policy.ts';

const http = { host: '127.0.0.1', port: 9_339 };
const manual: WantedProxy = { kind: 'manual', http, socks: { ...http, port: 9_340 } };
const pac: WantedProxy = { kind: 'pac', url: 'http://127.0.0.1:9339/proxy.pac' };
const texts = (commands: readonly { argv: readonly [string, ...string[]] }[], isWindows = false) =>
  commands.map((each) => commandText(each, isWindows));

describe('the commands a dry run prints', () => {
  it.each([
    ['macos', pac],
    ['macos', manual],
    ['macos', 'revert'],
    ['linux', pac],
    ['linux', manual],
    ['linux', 'revert'],
  ] as [DryRunPlatform, WantedProxy | 'revert'][])(
    'are sh on %s, and as written down: %j',
    async (platform, wanted) => {
      const text = dryRun(platform, wanted);
      await promisify(execFile)('sh', ['-n', '-c', text]);
      expect(text).toMatchSnapshot();
    },
  );

  it.each([[pac], [manual], ['revert']] as [WantedProxy | 'revert'][])(
    'are as written down on Windows: %j',
    (wanted) => {
      expect(dryRun('windows', wanted)).toMatchSnapshot();
    },
  );

  it('are one argument a word, whatever stands in it', async () => {
    const words = ['it’s', "a'b", 'a b', '$(x)', '`x`', '"', '\\', '', '*', 'a;b', '-n'];
    const text = commandText({ argv: ['printf', '<%s>', ...words] }, false);
    const { stdout } = await promisify(execFile)('sh', ['-c', text]);
    expect(stdout).toBe(words.map((word) => `<${word}>`).join(''));
  });
});

describe('what was before', () => {
  it('comes back on macOS, service by service', () => {
    const services = 'An asterisk (*) denotes …\nWi-Fi\n*Old LAN\nUSB LAN\n';
    const wifi = [
      'URL: http://wpad.corp.test/wpad.dat\nEnabled: Yes\n',
      'Enabled: No\nServer: old.corp.test\nPort: 3128\nAuthenticated Proxy Enabled: 0\n',
      'Enabled: Yes\nServer: tls.corp.test\nPort: 3129\nAuthenticated Proxy Enabled: 0\n',
      'Enabled: No\nServer: \nPort: 0\nAuthenticated Proxy Enabled: 0\n',
      '*.local\n169.254/16\n',
    ];
    const lan = [
      'URL: (null)\nEnabled: No\n',
      ...Array.from({ length: 3 }, () => 'Enabled: No\nServer: \nPort: 0\n'),
      "There aren't any bypass domains set on USB LAN.\n",
    ];
    expect(macosProxy.reads(services)).toHaveLength(10);
    expect(texts(macosProxy.revert(services, [...wifi, ...lan]))).toEqual([
      'networksetup -setautoproxyurl Wi-Fi http://wpad.corp.test/wpad.dat',
      'networksetup -setautoproxystate Wi-Fi on',
      'networksetup -setwebproxy Wi-Fi old.corp.test 3128',
      'networksetup -setwebproxystate Wi-Fi off',
      'networksetup -setsecurewebproxy Wi-Fi tls.corp.test 3129',
      'networksetup -setsecurewebproxystate Wi-Fi on',
      'networksetup -setsocksfirewallproxystate Wi-Fi off',
      "networksetup -setproxybypassdomains Wi-Fi '*.local' 169.254/16",
      "networksetup -setautoproxystate 'USB LAN' off",
      "networksetup -setwebproxystate 'USB LAN' off",
      "networksetup -setsecurewebproxystate 'USB LAN' off",
      "networksetup -setsocksfirewallproxystate 'USB LAN' off",
      "networksetup -setproxybypassdomains 'USB LAN' Empty",
    ]);
  });

  it('comes back on Windows: values as they were, and none where there was none', () => {
    const said = (name: string, type: string, value: string) =>
      `\r\nHKEY_CURRENT_USER\\Software\\…\r\n    ${name}    ${type}    ${value}\r\n\r\n`;
    const before = [
      undefined,
      said('ProxyServer', 'REG_SZ', 'old.corp.test:3128'),
      said('ProxyOverride', 'REG_SZ', '*.corp.test;<local>'),
      said('ProxyEnable', 'REG_DWORD', '0x1'),
      said('WinHttpSettings', 'REG_BINARY', '1800000000000000'),
    ];
    const lines = texts(windowsProxy.revert('', before), true);
    expect(
      lines
        .filter((line) => line.startsWith('reg.exe'))
        .map((line) => line.replace(/"HK.*?"/, 'KEY')),
    ).toEqual([
      'reg.exe delete KEY /v AutoConfigURL /f || ver > nul',
      'reg.exe add KEY /v ProxyServer /t REG_SZ /d old.corp.test:3128 /f',
      'reg.exe add KEY /v ProxyOverride /t REG_SZ /d "*.corp.test;<local>" /f',
      'reg.exe add KEY /v ProxyEnable /t REG_DWORD /d 0x1 /f',
      'reg.exe add KEY /v WinHttpSettings /t REG_BINARY /d 1800000000000000 /f || ver > nul',
    ]);
  });
});

describe('the system’s proxy by setting, policy and network', () => {
  const policy: ForwardingPolicy = {
    mode: 'tunnel',
    bypass: [],
    whenTunnelDown: 'closed',
    pinnedEdge: '',
    onNetwork: { trusted: 'none', vpn: 'enforce-proxy' },
    enforcedProxy: 'proxy.corp.test:3128',
  };
  const socks = { ...http, port: 9_340 };
  const asked = { setting: 'pac', policy, network: 'off-trusted', proxy: http, socks } as const;
  it.each([
    [{}, pac],
    [{ setting: 'manual' }, manual],
    // A killed agent must not leave its user without network where policy says open.
    [{ setting: 'manual', policy: { ...policy, whenTunnelDown: 'open' } }, pac],
    [{ setting: 'off' }, undefined],
    [{ setting: 'off', network: 'vpn' }, undefined],
    [{ network: 'trusted' }, undefined],
    [{ network: 'vpn' }, { kind: 'manual', http: { host: 'proxy.corp.test', port: 3128 } }],
    [{ policy: { ...policy, mode: 'off' } }, undefined],
    [{ policy: undefined }, undefined],
    [
      { network: 'vpn', policy: { ...policy, enforcedProxy: 'http://corp.test/p.pac' } },
      { kind: 'pac', url: 'http://corp.test/p.pac' },
    ],
  ] as const)('%j: %j', (changes, wanted) => {
    expect(wantedProxy({ ...asked, ...changes })).toEqual(wanted);
  });
});
