import type { Row } from '../rows.ts';
import type { Materials } from './materials.ts';
import type { Origin } from './origin.ts';
import { startOurs } from './ours.ts';
import { haproxy } from './peers/haproxy.ts';
import { type Processes, residentBytes } from './processes.ts';
import { alone, beside } from './rows.ts';
import type { Way } from './way.ts';

/** More would need more descriptors than a process usually may have: two a connection. */
const ourCount = 9_000;
const peerCount = 5_000;

/** Memory of open connections at rest, each of which has carried one request. */
export const measureStreams = async (options: {
  processes: Processes;
  materials: Materials;
  origin: Origin;
  log: (line: string) => void;
}): Promise<Row[]> => {
  const { processes, materials, origin, log } = options;
  const parts = { processes, materials, originPort: origin.port };
  const ours = await startOurs(parts);
  const held = await hold(processes, ours, ourCount, log);
  const agentBytes = residentBytes([ours.agent.pid]);
  await held.release();
  const peer = await haproxy.start(parts);
  const other = await hold(processes, peer, peerCount, log);
  await other.release();
  const rows = [
    beside(
      `edge's memory per open connection / haproxy`,
      'kB',
      held.farBytesEach / 1_000,
      other.farBytesEach / 1_000,
      '<=0.6',
    ),
    alone(`agent's memory with ${ourCount} open`, 'MB', agentBytes / 1e6, '<=200'),
    alone('open connections that answer again', 'of 9,000', held.answered, `>=${ourCount}`),
  ];
  return rows;
};

const hold = async (processes: Processes, way: Way, count: number, log: (line: string) => void) => {
  const client = await processes.role('client-role.ts', way);
  await client.ask({ do: 'opens', count: 50, atOnce: 5 });
  const before = residentBytes([way.farPid]);
  await client.ask({ do: 'hold', count });
  const farBytesEach = (residentBytes([way.farPid]) - before) / count;
  const { answered } = await client.ask<{ answered: number }>({ do: 'again' });
  log(
    `${way.name}: ${count} open, ${(farBytesEach / 1_000).toFixed(1)} kB each, ${answered} answer`,
  );
  return {
    farBytesEach,
    answered,
    release: async () => {
      await client.ask({ do: 'release' });
      client.end();
    },
  };
};
