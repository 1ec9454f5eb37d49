import type { Row } from '../rows.ts';
import type { Link } from './link.ts';
import type { Materials } from './materials.ts';
import type { EdgeLink } from './ours.ts';
import { startAgentRole, startEdgeRole } from './ours.ts';
import { inside, until } from './peers/wireguard.ts';
import type { Processes, Role } from './processes.ts';
import { alone, median } from './rows.ts';

/** How long a new connection waits that is asked for the moment the edge in use has gone. */
export const measureFailover = async (options: {
  processes: Processes;
  materials: Materials;
  originPort: number;
  link: Link;
  rounds: number;
  log: (line: string) => void;
}): Promise<Row[]> => {
  const { processes, materials, link, log } = options;
  const edgeLink = { ...link, edgeAddress: link.farAddress };
  const killed: number[] = [];
  const silent: number[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    const place = { processes, materials, edgeLink, originPort: options.originPort };
    killed.push(await afterLoss(place, (edge) => process.kill(edge.pid, 'SIGKILL')));
    silent.push(
      await afterLoss(place, (_, port) => {
        inside(link.far, 'nft', 'add', 'table', 'inet', 'hole');
        const chain = '{ type filter hook input priority 0 ; }';
        inside(link.far, 'nft', `add chain inet hole in ${chain}`);
        inside(link.far, 'nft', `add rule inet hole in tcp dport ${port} drop`);
      }),
    );
    inside(link.far, 'nft', 'delete', 'table', 'inet', 'hole');
    log(
      `round ${round}: killed edge ${killed.at(-1)?.toFixed(0)} ms, silent edge ${silent.at(-1)?.toFixed(0)} ms`,
    );
  }
  return [
    alone('new connection after the edge was killed', 's', median(killed) / 1_000, '<=0.3'),
    alone('new connection after the edge fell silent', 's', median(silent) / 1_000, '<=2'),
  ];
};

const afterLoss = async (
  place: { processes: Processes; materials: Materials; edgeLink: EdgeLink; originPort: number },
  lose: (edge: Role, port: number) => void,
): Promise<number> => {
  const { processes, materials, edgeLink } = place;
  const first = await startEdgeRole(processes, materials.edge, edgeLink);
  const second = await startEdgeRole(processes, materials.spare, edgeLink);
  const agent = await startAgentRole(processes, materials, [first.entry, second.entry], edgeLink);
  const client = await processes.role(
    'client-role.ts',
    { target: { host: 'bench.test', port: place.originPort }, proxyPort: agent.proxyPort },
    { namespace: edgeLink.near },
  );
  await client.ask({ do: 'opens', count: 20, atOnce: 1 });
  const status = async () =>
    (
      await agent.role.ask<{
        status: { edgeId: string | null; edges: { id: string; isUp: boolean }[] };
      }>({})
    ).status;
  await until(async () => {
    const { edgeId, edges } = await status();
    if (edgeId !== 'bench' || edges.some(({ isUp }) => !isUp)) throw new Error('not settled');
  });
  lose(first.role, first.entry.port);
  const { timesMs } = await client.ask<{ timesMs: number[] }>({
    do: 'opens',
    count: 1,
    atOnce: 1,
  });
  for (const one of [client, agent.role, first.role, second.role]) one.end();
  return timesMs[0] ?? Number.NaN;
};
