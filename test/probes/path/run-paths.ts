import type { PathProbe } from '#contract/plan.ts';
import { createEcho } from '#probes/path/echo.ts';
import { createPathEngine } from '#probes/path/engine.ts';
import { createPathProber } from '#probes/path/path.ts';

/**
 * Runs path probes where the caller put this process (a namespace, another user) and prints their
 * outcomes: `run-paths.ts '{"probes": [...], "rounds": n, "echo": "address"}'`.
 */
const order = JSON.parse(process.argv[2] ?? '') as {
  probes: PathProbe[];
  rounds?: number;
  echo?: string;
  sockets?: 'net-ping';
};
const engine = createPathEngine(order.sockets === undefined ? {} : { sockets: order.sockets });
const prober = createPathProber({ engine });
const outcomes = [];
for (let round = 0; round < (order.rounds ?? 1); round += 1) {
  outcomes.push(
    await Promise.all(
      order.probes.map((probe) =>
        prober.run(probe, {
          signal: new AbortController().signal,
          proxy: undefined,
          extraCa: [],
          workFolder: '/tmp',
          browserPath: undefined,
        }),
      ),
    ),
  );
}
const echo =
  order.echo === undefined
    ? null
    : await createEcho({ engine }).echo(order.echo, { count: 5, timeoutMs: 500 });
await prober.stop();
await engine.stop();
process.stdout.write(JSON.stringify({ outcomes, echo }));
