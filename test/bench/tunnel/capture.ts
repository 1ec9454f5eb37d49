import { execFileSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import type { Row } from '../rows.ts';
import { startEdgeRole } from './ours.ts';
import type { Place } from './place.ts';
import { beside, median } from './rows.ts';
import { measureTransfer, type Transfer } from './transfers.ts';
import { capturedAddress, type Way } from './way.ts';

/** Not the agent's, whose traffic is let alone. */
const clientUid = 12_345;

/** What it costs to capture a connection instead of being given it: one agent, asked both ways. */
export const measureCapture = async (options: Place): Promise<Row[]> => {
  const { processes, materials, origin, link } = options;
  // A connection has to have a route before it can be redirected.
  execFileSync('ip', ['-n', link.near, 'route', 'add', 'default', 'via', link.farAddress]);
  // The client, who is not root, writes what it has got.
  chmodSync(origin.folder, 0o777);
  const edgeLink = { ...link, edgeAddress: link.farAddress };
  const edge = await startEdgeRole(processes, materials.edge, edgeLink);
  const agent = await processes.role(
    'capture-role.ts',
    { identity: materials.device, edges: [edge.entry] },
    { namespace: link.near },
  );
  const { port: proxyPort } = agent.first as { port: number };
  const target = { host: capturedAddress, port: origin.port };
  const redirected: Way = {
    ...{ name: 'captured', pids: [agent.pid, edge.role.pid], farPid: edge.role.pid },
    ...{ target, namespace: link.near, uid: clientUid },
  };
  const given: Way = { ...redirected, name: 'given to the proxy', proxyPort };
  const results = new Map<string, Transfer[]>();
  for (let round = 1; round <= options.rounds; round++) {
    for (const streams of [1, 50] as const) {
      for (const way of [redirected, given]) {
        const measured = await measureTransfer(way, origin, streams);
        const key = `${way.name} ${streams}`;
        results.set(key, [...(results.get(key) ?? []), measured]);
        const { megabytesPerSecond, cpuSecondsPerGb } = measured;
        options.log(
          `round ${round}: ${streams} streams ${way.name} ${megabytesPerSecond.toFixed(0)} MB/s ${cpuSecondsPerGb.toFixed(2)} s/GB`,
        );
      }
    }
  }
  const middle = (way: Way, streams: number) =>
    median((results.get(`${way.name} ${streams}`) ?? []).map((one) => one.cpuSecondsPerGb));
  return [1, 50].map((streams) =>
    beside(
      `CPU captured / given to the proxy, ${streams === 1 ? 'one stream' : '50 streams'}`,
      's/GB',
      middle(redirected, streams),
      middle(given, streams),
      '<=1.1',
    ),
  );
};
