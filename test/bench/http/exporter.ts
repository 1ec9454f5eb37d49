import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { searchedText } from './servers.ts';

/** Debian's prometheus-blackbox-exporter, set up to check what our probe checks. */
export type Exporter = {
  probe(target: string): Promise<void>;
  /** Of all it has done, in µs. */
  cpuUs(): number;
  stop(): void;
};

/** Undefined where it is not installed. */
export const startExporter = async (caPem: string): Promise<Exporter | undefined> => {
  const path = find();
  if (path === undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'whyslow-bench-'));
  writeFileSync(join(folder, 'ca.pem'), caPem);
  const module = {
    prober: 'http',
    timeout: '10s',
    http: {
      preferred_ip_protocol: 'ip4',
      fail_if_body_not_matches_regexp: [searchedText],
      tls_config: { ca_file: join(folder, 'ca.pem') },
    },
  };
  // YAML reads JSON.
  writeFileSync(join(folder, 'blackbox.yml'), JSON.stringify({ modules: { bench: module } }));
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(
    path,
    [
      `--config.file=${join(folder, 'blackbox.yml')}`,
      `--web.listen-address=${address}`,
      '--log.level=error',
    ],
    { stdio: 'ignore' },
  );
  const stop = () => {
    child.kill();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await untilHealthy(`http://${address}/-/healthy`);
  } catch (error) {
    stop();
    throw error;
  }
  return { probe: (target) => probe(address, target), cpuUs: () => cpuUsOf(child), stop };
};

const find = (): string | undefined => {
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

const untilHealthy = async (url: string): Promise<void> => {
  for (let i = 0; i < 100; i += 1) {
    const isHealthy = await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isHealthy) return;
    await wait(100);
  }
  throw new Error('blackbox_exporter did not start');
};

const probe = async (address: string, target: string): Promise<void> => {
  const query = new URLSearchParams({ module: 'bench', target });
  const answer = await (await fetch(`http://${address}/probe?${query}`)).text();
  if (!answer.includes('\nprobe_success 1')) throw new Error(`blackbox_exporter failed: ${answer}`);
};

/** utime + stime of a process (proc(5)); the kernel counts in 10 ms ticks. */
const cpuUsOf = ({ pid }: ChildProcess): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
};
