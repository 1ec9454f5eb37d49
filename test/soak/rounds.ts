import { type Link, moveAddress } from '#test/bench/tunnel/link.ts';
import type { Materials } from '#test/bench/tunnel/materials.ts';
import type { Origin } from '#test/bench/tunnel/origin.ts';
import { startAgentRole, startEdgeRole } from '#test/bench/tunnel/ours.ts';
import { until } from '#test/bench/tunnel/peers/wireguard.ts';
import type { Processes, Role } from '#test/bench/tunnel/processes.ts';
import { hashOf } from '#test/bench/tunnel/transfers.ts';
import type { Held, Report, Round } from './judge.ts';

type Transfers = { rightCount: number; wrongCount: number; broken: string[] };

/**
 * Rounds of use and trouble. The agent keeps to the edge `bench`, which lives as long as the soak;
 * `spare` takes over while `bench` cannot be reached, and is drained and killed while it serves.
 */
export const startSoak = async (parts: {
  processes: Processes;
  materials: Materials;
  origin: Origin;
  link: Link;
  /** Held open at once in every round. */
  streams: number;
}): Promise<{ round(): Promise<string>; report(): Report }> => {
  const { processes, materials, origin, link } = parts;
  const edgeLink = { ...link, edgeAddress: link.farAddress };
  const steady = await startEdgeRole(processes, materials.edge, edgeLink);
  let spare = await startEdgeRole(processes, materials.spare, edgeLink);
  const agent = await startAgentRole(processes, materials, [steady.entry, spare.entry], edgeLink);
  const way = {
    target: { host: 'bench.test', port: origin.port },
    proxyPort: agent.proxyPort,
  };
  const client = await processes.role('client-role.ts', way, { namespace: link.near });
  const second = await processes.role('client-role.ts', way, { namespace: link.near });
  const file = origin.files.fiftieth;
  const sha256 = await hashOf(origin, file);
  const startedMs = performance.now();
  const rounds: Round[] = [];

  const download = (count: number, atOnce: number) =>
    client.ask<Transfers>({ do: 'transfers', file, sha256, count, atOnce });
  /** Asks until an answer comes; how long that took. */
  const recovered = async (): Promise<number> => {
    const beganMs = performance.now();
    await until(() => second.ask({ do: 'opens', count: 1, atOnce: 1 }));
    return performance.now() - beganMs;
  };
  const onEdge = (edgeId: string) =>
    until(async () => {
      const { status } = await agent.role.ask<{
        status: { edgeId: string | null; edges: { isUp: boolean }[] };
      }>({});
      if (status.edgeId !== edgeId) throw new Error(`the agent is on ${status.edgeId}`);
    });
  const restartSpare = async () => {
    spare = await startEdgeRole(processes, materials.spare, edgeLink, spare.entry.port);
  };
  /** The steady edge cannot be heard, so the spare one serves. */
  const onSpare = async <T>(work: () => Promise<T>): Promise<T> => {
    process.kill(steady.role.pid, 'SIGSTOP');
    try {
      await onEdge('spare');
      return await work();
    } finally {
      process.kill(steady.role.pid, 'SIGCONT');
    }
  };

  const use = async () => {
    const calm = await download(40, 20);
    await client.ask({ do: 'opens', count: 300, atOnce: 10 });
    await client.ask({ do: 'hold', count: parts.streams });
    const { answered } = await client.ask<{ answered: number }>({ do: 'again' });
    await client.ask({ do: 'release' });
    return { calm, answered };
  };
  const sleep = async () => {
    const under = download(40, 20);
    await pause(200);
    process.kill(agent.role.pid, 'SIGSTOP');
    await pause(4_000);
    process.kill(agent.role.pid, 'SIGCONT');
    const ms = await recovered();
    return { ms, under: await under };
  };
  const changeAddress = async (at: number) => {
    const under = download(40, 20);
    await pause(200);
    moveAddress(link, at % 2 === 0 ? '10.77.0.3' : link.nearAddress);
    const ms = await recovered();
    return { ms, under: await under };
  };
  const drain = () =>
    onSpare(async () => {
      const under = download(100, 50);
      await pause(200);
      process.kill(steady.role.pid, 'SIGCONT');
      void spare.role.ask({ do: 'drain' }).catch(() => {});
      const ms = await recovered();
      const result = await under;
      await restartSpare();
      return { ms, under: result };
    });
  const kill = async () => {
    const outcome = await onSpare(async () => {
      const under = download(40, 20);
      await pause(200);
      process.kill(steady.role.pid, 'SIGCONT');
      process.kill(spare.role.pid, 'SIGKILL');
      const ms = await recovered();
      return { ms, under: await under };
    });
    await restartSpare();
    return outcome;
  };
  const held = (role: Role) => role.ask<Held>({ do: 'rest' });

  return {
    async round() {
      await onEdge('bench');
      const { calm, answered } = await use();
      const asleep = await sleep();
      const moved = await changeAddress(rounds.length);
      await onEdge('bench');
      const drained = await drain();
      await onEdge('bench');
      const killed = await kill();
      await onEdge('bench');
      await pause(500);
      const all = [calm, asleep.under, moved.under, drained.under, killed.under];
      const round: Round = {
        rightCount: total(all, ({ rightCount }) => rightCount),
        wrongCount: total(all, ({ wrongCount }) => wrongCount),
        brokenInCalm: [...calm.broken, ...asleep.under.broken],
        brokenByDrain: drained.under.broken,
        brokenByTrouble: moved.under.broken.length + killed.under.broken.length,
        recoveryMs: { sleep: asleep.ms, address: moved.ms, drain: drained.ms, kill: killed.ms },
        streamsHeld: parts.streams,
        streamsAnswered: answered,
        agent: await held(agent.role),
        edge: await held(steady.role),
      };
      rounds.push(round);
      return `round ${rounds.length}: ${round.rightCount} right, ${round.wrongCount} wrong, broken ${round.brokenInCalm.length}/${round.brokenByDrain.length}/${round.brokenByTrouble} (calm/drain/trouble), ${answered} streams, agent ${(round.agent.residentBytes / 1e6).toFixed(0)} MB, edge ${(round.edge.residentBytes / 1e6).toFixed(0)} MB`;
    },
    report: () => ({ seconds: (performance.now() - startedMs) / 1_000, rounds }),
  };
};

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const total = <T>(all: readonly T[], read: (one: T) => number): number =>
  all.reduce((sum, one) => sum + read(one), 0);
