/**
 * CPU time of one HTTP and one HTTPS probe, beside Debian's prometheus-blackbox-exporter measuring
 * the same server in the same run: `npm run bench -- [--runs 1000] [--json FILE]`. The server runs
 * in a process of its own, so that neither side pays for it. Both sides check the body.
 */
import { type ChildProcess, execFileSync, fork, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createHttpProber } from '#probes/http/http.ts';
import { createTestAuthority } from '#test/support/certificates.ts';
import { startOrigin } from '#test/support/origin.ts';
import { httpProbe, probeContext } from '#test/support/probe-context.ts';

type Row = {
  name: string;
  unit: string;
  ours: number;
  peer: number | null;
  ratio: number | null;
  target: string;
  met: boolean | null;
};

/** HTTP no dearer than blackbox_exporter; for HTTPS, Node's TLS costs more than Go's. */
const targetRatio = { http: 1, https: 1.25 } as const;
const warmUpRuns = 100;
const text = 'the text both sides look for';
const body = `<html>${'<p>filler</p>'.repeat(700)}${text}</html>`;

type Servers = { http: string; https: string; caPem: string };

const serve = async (): Promise<void> => {
  const authority = await createTestAuthority();
  const [plain, secure] = await Promise.all([startOrigin(), startOrigin({ authority })]);
  for (const origin of [plain, secure]) origin.on('/', { body });
  process.once('disconnect', () => process.exit(0));
  process.send?.({ http: plain.url, https: secure.url, caPem: authority.certificatePem });
};

const startServers = async (): Promise<{ child: ChildProcess; servers: Servers }> => {
  const child = fork(import.meta.filename, ['--serve'], { execArgv: ['--import', 'tsx'] });
  const servers = await new Promise<Servers>((resolve) => {
    child.once('message', (message) => resolve(message as Servers));
  });
  return { child, servers };
};

const measureOurs = async (url: string, caPem: string, runs: number): Promise<number> => {
  const prober = createHttpProber();
  const context = probeContext({ extraCa: [caPem] });
  const probe = httpProbe(url, { expectBody: text });
  const once = async () => {
    const { availability, body: measured } = await prober.run(probe, context);
    if (availability !== 1 || measured.exchanges[0]?.bodyBytes !== body.length) {
      throw new Error(`our probe of ${url} failed`);
    }
  };
  for (let i = 0; i < warmUpRuns; i++) await once();
  const before = process.cpuUsage();
  for (let i = 0; i < runs; i++) await once();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / runs;
};

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

const main = async (): Promise<void> => {
  const { values } = parseArgs({
    options: { runs: { type: 'string', default: '1000' }, json: { type: 'string' } },
  });
  const runs = Number(values.runs);
  const folder = mkdtempSync(join(tmpdir(), 'whyslow-bench-'));
  const { child, servers } = await startServers();
  const path = findExporter();
  const exporter = path ? await startExporter(path, folder, servers.caPem) : undefined;
  const rows: Row[] = [];
  try {
    for (const scheme of ['http', 'https'] as const) {
      const ours = await measureOurs(servers[scheme], servers.caPem, runs);
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
  console.table(rows);
  if (path === undefined)
    console.log('no prometheus-blackbox-exporter found: nothing to compare with');
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
};

await (process.argv.includes('--serve') ? serve() : main());
