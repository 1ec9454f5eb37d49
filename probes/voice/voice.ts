import type { Failure } from '#contract/failure.ts';
import type { VoiceProbe } from '#contract/plan.ts';
import { classifyError, failureOf } from '../classify.ts';
import { type Deadline, startDeadline } from '../deadline.ts';
import { sinceMs } from '../duration.ts';
import type { ProbeContext, Prober } from '../probe.ts';
import { type Address, createNameResolver } from '../resolve.ts';
import { figuresOf } from './figures.ts';
import { runStream, type Stream } from './stream.ts';

/**
 * Sends a stream like a call's to a reflector – the device's edge unless another is named – and says
 * what a call would have been like. UDP, always straight from the device: CONNECT carries none.
 */
export const createVoiceProber = (): Prober<'voice'> => ({
  type: 'voice',
  async run(probe, context) {
    const startedMs = performance.now();
    const deadline = startDeadline(context.signal, probe.timeoutMs);
    const measured = await measure(probe, context, deadline);
    deadline.stop();
    const { failure, stream, target, address } = measured;
    return {
      durationMs: sinceMs(startedMs),
      availability: failure === null ? 1 : 0,
      failure,
      body: {
        target: target?.host ?? probe.host,
        port: target?.port ?? null,
        address,
        packetBytes: probe.packetBytes,
        packetsPerSecond: probe.packetsPerSecond,
        playoutMs: probe.playoutMs,
        ...figuresOf(stream, {
          playoutMs: probe.playoutMs,
          intervalMs: 1_000 / probe.packetsPerSecond,
          isStateful: probe.host === '',
        }),
      },
    };
  },
  stop: () => Promise.resolve(),
});

type Target = { host: string; port: number };
type Measured = {
  target: Target | null;
  address: string | null;
  stream: Stream;
  failure: Failure | null;
};

const noStream: Stream = { sent: [], received: [], unkeptCount: 0, error: undefined };

const measure = async (
  probe: VoiceProbe,
  context: ProbeContext,
  deadline: Deadline,
): Promise<Measured> => {
  const target = targetOf(probe, context.edge ?? null);
  if ('type' in target) return { target: null, address: null, stream: noStream, failure: target };
  const found = await createNameResolver().resolve(target.host, deadline.signal);
  if (!found.ok) {
    const failure = classifyError('dns', found.error, deadline.cutShort());
    return { target, address: null, stream: noStream, failure };
  }
  const addresses = oneAFamily([...found.addresses, ...(await found.later)]);
  const chosen = await choose(addresses, probe, target.port, deadline.signal);
  const { address } = chosen;
  const stream = await runStream(
    {
      ...chosen,
      port: target.port,
      ...packetsOf(probe),
      packetCount: Math.round((probe.streamMs / 1_000) * probe.packetsPerSecond),
      lingerMs: 1_500,
      giveUpMs: 3_000,
    },
    deadline.signal,
  );
  return { target, address, stream, failure: judge(stream, deadline) };
};

const targetOf = (
  { host, port }: VoiceProbe,
  edge: NonNullable<ProbeContext['edge']> | null,
): Target | Failure => {
  if (host !== '') return { host, port };
  if (edge === null) {
    return failureOf('tunnel.down', 'prepare', 'the device is on no edge at this moment');
  }
  if (edge.reflectorPort !== null) return { host: edge.host, port: edge.reflectorPort };
  return failureOf('voice.no_reflector', 'prepare', `edge ${edge.id} has no reflector`);
};

const packetsOf = ({ packetBytes, packetsPerSecond }: VoiceProbe) => ({
  packetBytes,
  intervalMs: 1_000 / packetsPerSecond,
});

/** The first of each family. */
const oneAFamily = (addresses: readonly Address[]): Address[] =>
  addresses.filter(({ family }, i) => addresses.findIndex((one) => one.family === family) === i);

/**
 * UDP has no handshake that tells which family works: with both, a few packets go ahead to each in
 * turn, and the first to answer is taken. The first is what is left when none does.
 */
const choose = async (
  addresses: readonly Address[],
  probe: VoiceProbe,
  port: number,
  signal: AbortSignal,
): Promise<Address> => {
  const [first] = addresses as [Address];
  if (addresses.length === 1) return first;
  const ahead = { port, ...packetsOf(probe), packetCount: 5, lingerMs: 500, giveUpMs: 500 };
  for (const one of addresses) {
    const { received } = await runStream({ ...one, ...ahead }, signal);
    if (received.length > 0) return one;
  }
  return first;
};

/** Loss is what is measured; only a stream without any answer says nothing about a call. */
const judge = (stream: Stream, deadline: Deadline): Failure | null => {
  const cutShort = deadline.cutShort();
  if (cutShort === 'abandoned') return classifyError('wait', stream.error, cutShort);
  if (stream.received.length > 0) return null;
  const code = (stream.error as NodeJS.ErrnoException | undefined)?.code;
  const why = code === undefined ? '' : ` (${code})`;
  return failureOf(
    'voice.no_answer',
    'wait',
    `no answer to any of ${stream.sent.length} packets${why}`,
  );
};
