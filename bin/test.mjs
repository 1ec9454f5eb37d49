// `npm test`: installs what the tests need (npm and, on Debian as root, apt), then runs them all.
// What this machine cannot run is named at the end; nothing is left out silently.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { ensureInstalled, requireNode, root } from './install.mjs';

requireNode();
ensureInstalled();

const onPath = (...names) =>
  [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'].some((folder) =>
    names.some((name) => existsSync(join(folder, name))),
  );
const postgresInstalled = () =>
  existsSync('/usr/lib/postgresql') &&
  readdirSync('/usr/lib/postgresql').some((v) => existsSync(`/usr/lib/postgresql/${v}/bin/initdb`));

/** What each kind of test needs beyond npm, the Debian package that has it, and how to tell. */
const needs = [
  { kind: 'fast', apt: 'openssl', present: () => onPath('openssl') },
  { kind: 'fast', apt: 'libglib2.0-bin', present: () => onPath('gsettings') },
  {
    kind: 'fast',
    apt: 'gsettings-desktop-schemas',
    present: () => existsSync('/usr/share/glib-2.0/schemas/org.gnome.system.proxy.gschema.xml'),
  },
  { kind: 'real', apt: 'redis-server', present: () => onPath('redis-server') },
  { kind: 'real', apt: 'influxdb', present: () => onPath('influxd') },
  { kind: 'real', apt: 'postgresql', present: postgresInstalled },
  { kind: 'real', apt: 'docker-compose', present: () => onPath('docker-compose') },
  { kind: 'real', apt: 'nghttp2-proxy', present: () => onPath('nghttpx') },
  { kind: 'real', apt: 'nghttp2-client', present: () => onPath('nghttp') },
  { kind: 'real', apt: 'prometheus', present: () => onPath('promtool') },
  { kind: 'real', apt: 'curl', present: () => onPath('curl') },
  { kind: 'real', apt: 'squid-openssl', present: () => onPath('squid') },
  {
    kind: 'browser',
    apt: 'chromium',
    present: () => onPath('chromium', 'google-chrome', 'chromium-browser'),
  },
  { kind: 'browser', apt: 'libnss3-tools', present: () => onPath('certutil') },
  { kind: 'scenario', apt: 'curl', present: () => onPath('curl') },
  { kind: 'lab', apt: 'iproute2', present: () => onPath('ip') },
  { kind: 'lab', apt: 'iptables', present: () => onPath('iptables') },
  { kind: 'lab', apt: 'iputils-tracepath', present: () => onPath('tracepath') },
  { kind: 'lab', apt: 'iperf3', present: () => onPath('iperf3') },
  { kind: 'lab', apt: 'dnsutils', present: () => onPath('dig') },
  { kind: 'lab', apt: 'nftables', present: () => onPath('nft') },
  { kind: 'lab', apt: 'traceroute', present: () => onPath('traceroute') },
  { kind: 'lab', apt: 'mtr-tiny', present: () => onPath('mtr') },
  {
    kind: 'lab',
    apt: 'faketime',
    present: () =>
      readdirSync('/usr/lib').some((folder) => existsSync(`/usr/lib/${folder}/faketime`)),
  },
  { kind: 'lab', apt: 'tshark', present: () => onPath('tshark') },
  { kind: 'lab', apt: 'conntrack', present: () => onPath('conntrack') },
  { kind: 'lab', apt: 'iputils-ping', present: () => onPath('ping') },
];
const isRoot = process.getuid?.() === 0;

/** Servers from Debian start themselves when installed; the tests start their own on free ports. */
const withoutServices = (install) => {
  const policy = '/usr/sbin/policy-rc.d';
  const ours = !existsSync(policy);
  if (ours) {
    writeFileSync(policy, '#!/bin/sh\nexit 101\n');
    chmodSync(policy, 0o755);
  }
  try {
    install();
  } finally {
    if (ours) rmSync(policy);
  }
};

const installWithApt = () => {
  const packages = needs.filter(({ present }) => !present()).map(({ apt }) => apt);
  if (packages.length === 0 || !isRoot || !onPath('apt-get')) return;
  console.log(`Installing what the tests need from Debian: ${packages.join(' ')} …`);
  const apt = (...args) =>
    spawnSync('apt-get', args, {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  withoutServices(() => {
    apt('update', '-qq');
    apt('install', '-y', '-qq', '--no-install-recommends', ...packages);
  });
};

installWithApt();
const missing = needs.filter(({ present }) => !present());
const notRun = new Map();
for (const { kind, apt } of missing)
  notRun.set(kind, `needs Debian's ${apt} (apt-get install ${apt})`);
if (!isRoot) notRun.set('lab', 'needs root for network namespaces');

const given = process.argv.slice(2);
const projects = ['fast', 'real', 'browser', 'lab', 'lab-timed', 'scenario'].filter(
  (project) => !notRun.has(project.replace('-timed', '')),
);
const outcome = spawnSync(
  process.execPath,
  [
    join(root, 'node_modules', 'vitest', 'vitest.mjs'),
    'run',
    ...(given.includes('--project') ? [] : projects.flatMap((kind) => ['--project', kind])),
    ...given,
  ],
  { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] },
);
for (const [kind, why] of notRun) console.log(`NOT RUN: the ${kind} tests: ${why}`);
process.exit(outcome.status ?? 1);
