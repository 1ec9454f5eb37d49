import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { HttpProbe, PathProbe } from '#contract/plan.ts';
import type { Outcome, ProxyAddress } from '#probes/probe.ts';
import type { Lab } from './lab.ts';

/** Our probes in a node's namespace, in a process that keeps what an agent's keeps between runs. */
export type LabProber = {
  http(probe: HttpProbe, proxy?: ProxyAddress): Promise<Outcome<'http'>>;
  path(probe: PathProbe): Promise<Outcome<'path'>>;
  stop(): Promise<void>;
};

const script = fileURLToPath(new URL('./prober-child.ts', import.meta.url));

export const startProber = (
  lab: Lab,
  node: string,
  /** Before all ordinary threads: how well we measure, not how well beside what else runs here. */
  options: { first?: boolean } = {},
): LabProber => {
  const order = options.first === true ? ['first'] : [];
  const child = lab.spawn(node, process.execPath, ['--import', 'tsx', script, ...order], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw new Error('the prober has no pipes');
  stdin.on('error', () => {});
  const extraCa = readCa(lab);
  const waiting = new Map<number, { resolve(outcome: Outcome): void; reject(e: Error): void }>();
  let lastId = 0;

  createInterface({ input: stdout }).on('line', (line) => {
    const { id, outcome } = JSON.parse(line) as { id: number; outcome: Outcome };
    waiting.get(id)?.resolve(outcome);
    waiting.delete(id);
  });
  const ended = once(child, 'close').then(() => {
    for (const { reject } of waiting.values()) reject(new Error(`the prober in ${node} ended`));
  });
  const ask = (probe: HttpProbe | PathProbe, proxy?: ProxyAddress): Promise<Outcome> =>
    new Promise((resolve, reject) => {
      lastId += 1;
      waiting.set(lastId, { resolve, reject });
      stdin.write(`${JSON.stringify({ id: lastId, probe, proxy, extraCa })}\n`);
    });

  return {
    http: (probe, proxy) => ask(probe, proxy) as Promise<Outcome<'http'>>,
    path: (probe) => ask(probe) as Promise<Outcome<'path'>>,
    async stop() {
      stdin.end();
      await ended;
    },
  };
};

/** A lab without services has none. */
const readCa = ({ folder }: Lab): string[] => {
  const file = `${folder}/ca.pem`;
  return existsSync(file) ? [readFileSync(file, 'utf8')] : [];
};
