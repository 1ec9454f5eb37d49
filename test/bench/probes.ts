/**
 * HTTP probes beside their peers, on the same server in the same run: CPU time beside Debian's
 * prometheus-blackbox-exporter (both check the body), probes a core can make, and phases beside
 * curl's: `npm run bench -- [--runs 1000] [--only cpu|rate|phases|path] [--json FILE]`. The servers run
 * in a process of their own, so that neither side pays for them. On a machine that does something
 * else meanwhile the figures mean nothing.
 */
import { type ChildProcess, execFile, execFileSync, fork, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { createHttpProber } from '#probes/http/http.ts';
import { createTestAuthority } from '#test/support/certificates.ts';
import { startHttp2Origin } from '#test/support/http2-origin.ts';
import { startOrigin } from '#test/support/origin.ts';
import { httpProbe, probeContext } from '#test/support/probe-context.ts';
import { startRelay } from '#test/support/relay.ts';

type Row = {
  name: string;
  unit: string;
  ours: number;
  peer: number | null;
  ratio: number | null;
  target: string;
  met: boolean | null;
};

/** Of blackbox_exporter's CPU time. */
const targetRatio = { http: 0.5, https: 1.3, http2: 1.3 } as const;
const schemes = Object.keys(targetRatio) as (keyof typeof targetRatio)[];
/** Probes a second of one core's time, each on a connection of its own. */
const targetRate = { http: 2_500, https: 400, http2: 400 } as const;
/** A program that runs for days has compiled its code. */
const warmUpRuns = 500;
const text = 'the text both sides look for';
const body = `<html>${'<p>filler</p>'.repeat(700)}${text}</html>`;

type Servers = Record<keyof typeof targetRatio | 'paused', string> & { caPem: string };

const serve = async (): Promise<void> => {
  const authority = await createTestAuthority();
  const [plain, secure, http2] = await Promise.all([
    startOrigin(),
    startOrigin({ authority }),
    startHttp2Origin({ authority }),
  ]);
  for (const origin of [plain, secure, http2]) origin.on('/', { body });
  const relay = await startRelay({ target: secure, firstBytesDelayMs: pauseMs });
  for (const origin of [plain, secure]) {
    origin.on('/paused', { thinkMs: pauseMs, bodyMs: pauseMs, body });
  }
  process.once('disconnect', () => process.exit(0));
  process.send?.({
    http: plain.url,
    https: secure.url,
    http2: http2.url,
    paused: `https://127.0.0.1:${relay.port}`,
    caPem: authority.certificatePem,
  });
};

const startServers = async (): Promise<{ child: ChildProcess; servers: Servers }> => {
  const child = fork(import.meta.filename, ['--serve'], { execArgv: ['--import', 'tsx'] });
  const servers = await new Promise<Servers>((resolve) => {
    child.once('message', (message) => resolve(message as Servers));
  });
  return { child, servers };
};

/** CPU time of a probe, so many of them at a time. */
const measureOurs = async (
  url: string,
  caPem: string,
  runs: number,
  atOnce: number,
): Promise<number> => {
  const prober = createHttpProber();
  const context = probeContext({ extraCa: [caPem] });
  const probe = httpProbe(url, { expectBody: text });
  const once = async () => {
    const { availability, body: measured } = await prober.run(probe, context);
    if (availability !== 1 || measured.exchanges[0]?.bodyBytes !== body.length) {
      throw new Error(`our probe of ${url} failed`);
    }
  };
  const many = async (count: number) => {
    let left = count;
    const lane = async () => {
      while (left-- > 0) await once();
    };
    await Promise.all(Array.from({ length: atOnce }, lane));
  };
  await many(warmUpRuns);
  const before = process.cpuUsage();
  await many(runs);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / runs;
};

/** Agents have as many timed probes in flight. */
const lanes = 4;

const pauseMs = 20;
const phaseNames = ['connectMs', 'tlsMs', 'waitMs', 'receiveMs'] as const;
type Phases = Record<(typeof phaseNames)[number], number>;

/** curl's times are since the start; its phases are their differences. */
const phasesByCurl = async (url: string, ca: string): Promise<Phases> => {
  const times = 'namelookup connect appconnect starttransfer total'.split(' ');
  const format = times.map((name) => `%{time_${name}}`).join(' ');
  const words = ['-s', '--http1.1', '--cacert', ca, '-o', '/dev/null', '-w', format, url];
  const { stdout } = await promisify(execFile)('curl', words);
  const [dns = 0, connect = 0, tls = 0, first = 0, total = 0] = stdout
    .split(' ')
    .map((seconds) => Number(seconds) * 1_000);
  const isSecure = tls > 0;
  return {
    connectMs: connect - dns,
    tlsMs: isSecure ? tls - connect : 0,
    waitMs: first - (isSecure ? tls : connect),
    receiveMs: total - first,
  };
};

/** Ours and curl's by turns; the 95th percentile of how far apart the two of a turn are. */
const comparePhases = async (scheme: string, url: string, servers: Servers, runs: number) => {
  const folder = mkdtempSync(join(tmpdir(), 'whyslow-bench-'));
  const ca = join(folder, 'ca.pem');
  writeFileSync(ca, servers.caPem);
  const prober = createHttpProber();
  const context = probeContext({ extraCa: [servers.caPem] });
  const turns: { ours: Phases; curl: Phases }[] = [];
  for (let i = -10; i < runs; i++) {
    const { body: measured } = await prober.run(httpProbe(url, { httpVersion: '1.1' }), context);
    const phases = measured.exchanges[0]?.phases;
    const curl = await phasesByCurl(url, ca);
    const ours = Object.fromEntries(phaseNames.map((name) => [name, phases?.[name] ?? 0]));
    if (i >= 0) turns.push({ ours: ours as Phases, curl });
  }
  rmSync(folder, { recursive: true, force: true });
  return phaseNames
    .filter((name) => name !== 'tlsMs' || scheme === 'https')
    .map((name): Row => {
      const apart = turns.map(({ ours, curl }) => Math.abs(ours[name] - curl[name]));
      const usual = percentile(
        turns.map(({ curl }) => curl[name]),
        0.5,
      );
      const ours = percentile(apart, 0.95);
      const allowed = Math.max(1, 0.02 * usual);
      return {
        name: `${scheme} ${name.replace('Ms', '')}, apart from curl p95 (curl's median ${usual.toFixed(2)})`,
        unit: 'ms',
        ours: Math.round(ours * 1_000) / 1_000,
        peer: null,
        ratio: null,
        target: `≤ ${allowed.toFixed(2)}`,
        met: ours <= allowed,
      };
    });
};

const percentile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.ceil(share * values.length) - 1] ?? Number.NaN;

const findExporter = (): string | undefined => {
  try {
    return execFileSync('which', ['prometheus-blackbox-exporter'], { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
};

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });

const startExporter = async (path: string, folder: string, caPem: string) => {
  writeFileSync(join(folder, 'ca.pem'), caPem);
  const module = {
    prober: 'http',
    timeout: '10s',
    http: {
      preferred_ip_protocol: 'ip4',
      fail_if_body_not_matches_regexp: [text],
      tls_config: { ca_file: join(folder, 'ca.pem') },
    },
  };
  // YAML reads JSON.
  writeFileSync(join(folder, 'blackbox.yml'), JSON.stringify({ modules: { bench: module } }));
  const port = await freePort();
  const child = spawn(
    path,
    [
      `--config.file=${join(folder, 'blackbox.yml')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    { stdio: 'ignore' },
  );
  const url = `http://127.0.0.1:${port}`;
  for (let i = 0; i < 100; i++) {
    if (
      await fetch(`${url}/-/healthy`).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      return { child, url };
    await wait(100);
  }
  throw new Error('blackbox_exporter did not start');
};

/** utime + stime of a process (proc(5)), in µs; the kernel counts in 10 ms ticks. */
const cpuOf = (pid: number | undefined): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
};

const measurePeer = async (
  exporter: Awaited<ReturnType<typeof startExporter>>,
  target: string,
  runs: number,
): Promise<number> => {
  const once = async () => {
    const query = new URLSearchParams({ module: 'bench', target });
    const answer = await (await fetch(`${exporter.url}/probe?${query}`)).text();
    if (!answer.includes('\nprobe_success 1'))
      throw new Error(`blackbox_exporter failed: ${answer}`);
  };
  for (let i = 0; i < warmUpRuns; i++) await once();
  const before = cpuOf(exporter.child.pid);
  for (let i = 0; i < runs; i++) await once();
  return (cpuOf(exporter.child.pid) - before) / runs;
};

/** In networks of namespaces; path-accuracy.ts runs parts of it. */
const comparePaths = async (): Promise<Row[]> => {
  if (process.getuid?.() !== 0) {
    console.log('paths are not compared: network namespaces need root');
    return [];
  }
  const { pathParts, pathRows } = await import('./path/rows.ts');
  return pathRows({ parts: pathParts, verdictRuns: 200 });
};

const main = async (): Promise<void> => {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '1000' },
      only: { type: 'string' },
      json: { type: 'string' },
    },
  });
  const wants = (part: string) => values.only === undefined || values.only === part;
  console.log(`load of the machine before: ${loadavg()[0]?.toFixed(2)}`);
  const runs = Number(values.runs);
  const folder = mkdtempSync(join(tmpdir(), 'whyslow-bench-'));
  const { child, servers } = await startServers();
  const path = findExporter();
  const exporter = path ? await startExporter(path, folder, servers.caPem) : undefined;
  const rows: Row[] = [];
  try {
    for (const scheme of wants('rate') ? schemes : []) {
      const cpuUs = await measureOurs(servers[scheme], servers.caPem, runs * 2, lanes);
      const rate = 1_000_000 / cpuUs;
      rows.push({
        name: `${scheme} probes on fresh connections, ${lanes} at a time`,
        unit: '/s a core',
        ours: Math.round(rate),
        peer: null,
        ratio: null,
        target: `≥ ${targetRate[scheme]}`,
        met: rate >= targetRate[scheme],
      });
    }
    if (wants('phases')) {
      const turns = Math.min(300, runs);
      rows.push(...(await comparePhases('http', `${servers.http}/paused`, servers, turns)));
      rows.push(...(await comparePhases('https', `${servers.paused}/paused`, servers, turns)));
    }
    for (const scheme of wants('cpu') ? schemes : []) {
      const ours = await measureOurs(servers[scheme], servers.caPem, runs, 1);
      const peer = exporter ? await measurePeer(exporter, servers[scheme], runs) : null;
      const ratio = peer === null ? null : ours / peer;
      rows.push({
        name: `${scheme} probe, CPU time beside blackbox_exporter`,
        unit: 'µs/probe',
        ours: Math.round(ours),
        peer: peer === null ? null : Math.round(peer),
        ratio: ratio === null ? null : Math.round(ratio * 100) / 100,
        target: `ratio ≤ ${targetRatio[scheme]}`,
        met: ratio === null ? null : ratio <= targetRatio[scheme],
      });
    }
  } finally {
    child.disconnect();
    exporter?.child.kill();
    rmSync(folder, { recursive: true, force: true });
  }
  if (wants('path')) rows.push(...(await comparePaths()));
  console.table(rows);
  if (path === undefined)
    console.log('no prometheus-blackbox-exporter found: nothing to compare with');
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
};

await (process.argv.includes('--serve') ? serve() : main());
