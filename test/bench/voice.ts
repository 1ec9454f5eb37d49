/**
 * What a voice probe costs and how still it is: one stream of 10 s to a reflector in a process of its
 * own, on loopback: `npx tsx test/bench/voice.ts`. Jitter and lateness on a path that has none are
 * the instrument's own.
 */
import { fork } from 'node:child_process';
import { startReflector } from '#edge/reflector.ts';
import { createVoiceProber } from '#probes/voice/voice.ts';
import { silentLog } from '#runtime/log.ts';
import { probeContext, voiceProbe } from '#test/support/probe-context.ts';

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

const serve = async (): Promise<void> => {
  const reflector = await startReflector({
    listen: { host: '127.0.0.1', port: 0 },
    sessionsFrom: () => 1,
    monotonicMs: () => performance.now(),
    log: silentLog(),
  });
  process.on('message', () => process.send?.(cpuMs()));
  process.once('disconnect', () => process.exit(0));
  process.send?.(reflector.port);
};

const measure = async (): Promise<void> => {
  const child = fork(import.meta.filename, ['--serve'], { execArgv: ['--import', 'tsx'] });
  const told = () =>
    new Promise<number>((resolve) => child.once('message', (n) => resolve(Number(n))));
  const port = await told();
  const theirs = async () => {
    child.send('cpu');
    return told();
  };
  const edge = { id: 'bench', host: '127.0.0.1', reflectorPort: port };
  const prober = createVoiceProber();
  await prober.run(voiceProbe(), probeContext({ edge }));
  const before = { ours: cpuMs(), theirs: await theirs() };
  const { body } = await prober.run(voiceProbe({ streamMs: 10_000 }), probeContext({ edge }));
  console.table({
    'sender, CPU ms for 500 packets': cpuMs() - before.ours,
    'reflector, CPU ms for 500 packets': (await theirs()) - before.theirs,
    'round trip, median ms': body.rttMedianMs,
    'round trip, 95th percentile ms': body.rttP95Ms,
    'jitter up, ms': body.up?.jitterMs,
    'jitter down, ms': body.down?.jitterMs,
    'sent late, 95th percentile ms': body.sendLateP95Ms,
    'lost ratio': body.lossRatio,
    score: body.mos,
  });
  child.disconnect();
};

await (process.argv.includes('--serve') ? serve() : measure());
