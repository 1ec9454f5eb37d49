import { execFile } from 'node:child_process';
import { rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { hashFile, type Origin } from './origin.ts';
import { cpuSeconds } from './processes.ts';
import type { Way } from './way.ts';

const run = promisify(execFile);

export type Transfer = { megabytesPerSecond: number; cpuSecondsPerGb: number };

/**
 * Downloads with curl, one connection a stream, into memory; what came is hashed after the clock has
 * stopped. Throws when a byte is wrong.
 */
export const measureTransfer = async (
  way: Way,
  origin: Origin,
  streams: 1 | 50,
): Promise<Transfer> => {
  const file = streams === 1 ? origin.files.single : origin.files.fiftieth;
  const outs = Array.from({ length: streams }, (_, at) => join(origin.folder, `out-${at}`));
  const url = `http://${way.target.host}:${way.target.port}/${file}`;
  const config = join(origin.folder, 'curl.conf');
  writeFileSync(config, outs.map((out) => `url = "${url}"\noutput = "${out}"\n`).join(''));
  const proxy =
    way.proxyPort === undefined ? [] : ['-p', '-x', `http://127.0.0.1:${way.proxyPort}`];
  const args = ['-sS', '--fail', '-Z', '--parallel-immediate', '--parallel-max', '50', '-m', '30'];
  const cpuBefore = cpuSeconds(way.pids);
  const startedMs = performance.now();
  await curl(way, [...args, ...proxy, '-K', config]);
  const seconds = (performance.now() - startedMs) / 1_000;
  const cpu = cpuSeconds(way.pids) - cpuBefore;
  const bytes = origin.bytesOf(file) * streams;
  const wanted = await hashOf(origin, file);
  for (const out of outs) {
    const right = statSync(out).size === origin.bytesOf(file) && (await hashFile(out)) === wanted;
    rmSync(out);
    if (!right) throw new Error(`${way.name} changed the content`);
  }
  return { megabytesPerSecond: bytes / 1e6 / seconds, cpuSecondsPerGb: cpu / (bytes / 1e9) };
};

const curl = ({ namespace, uid }: Way, args: readonly string[]) => {
  const user = uid === undefined ? [] : ['setpriv', '--reuid', `${uid}`, '--clear-groups'];
  const inside = namespace === undefined ? [] : ['ip', 'netns', 'exec', namespace];
  const [command = '', ...rest] = [...inside, ...user, 'curl', ...args];
  return run(command, rest, { timeout: 300_000 });
};

const hashes = new Map<string, Promise<string>>();
export const hashOf = (origin: Origin, file: string): Promise<string> => {
  const path = join(origin.folder, 'www', file);
  const known = hashes.get(path) ?? hashFile(path);
  hashes.set(path, known);
  return known;
};
