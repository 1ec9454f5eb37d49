import { readFileSync } from 'node:fs';
import { createTunnel } from '#agent/tunnel/tunnel.ts';
import { edgeServerName } from '#contract/enrollment.ts';
import type { EdgeEntry } from '#contract/policy.ts';
import type { Identity } from '#runtime/identity.ts';
import { silentLog } from '#runtime/log.ts';

/**
 * A device's end of the tunnel whose clock goes sixty times as fast, so that the rest of five
 * minutes between two switches takes five seconds, and that compares its edges twice a second: `hurried-tunnel.ts IDENTITY-FILE e1 e2`. Prints a
 * line for each change, until its standard input ends.
 */
const [file = '', ...edges] = process.argv.slice(2);
const identity = JSON.parse(readFileSync(file, 'utf8')) as Identity;
const tunnel = createTunnel({
  identity: () => identity,
  log: silentLog(),
  now: () => performance.now() * 60,
  roundMs: 500,
});
tunnel.onChange((change) => process.stdout.write(`${JSON.stringify(change)}\n`));
tunnel.setEdges(
  edges.map(
    (id): EdgeEntry => ({
      id,
      host: `${id}.edge.test`,
      port: 443,
      serverName: edgeServerName(id),
      location: id,
    }),
  ),
  '',
);
process.stdin.resume().once('end', async () => {
  await tunnel.stop();
  process.exit(0);
});
