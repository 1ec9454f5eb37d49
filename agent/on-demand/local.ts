import { type Static, Type } from '@sinclair/typebox';
import { check, explain } from '#contract/check.ts';
import type { Result } from '#contract/result.ts';
import { RunOrder } from '#contract/run-request.ts';
import { Count, closed, DurationMs, Nullable } from '#contract/scalar.ts';
import { AgentNotRunning } from '../status.ts';
import { askAgent } from '../status-socket.ts';
import type { OnDemand } from './on-demand.ts';

const Question = Type.Object({ run: RunOrder }, closed);

/** What the agent says while it makes runs that were asked for at the device. */
export const LocalLine = Type.Union([
  Type.Object({
    type: Type.Literal('result'),
    id: Type.String(),
    probeId: Type.String(),
    via: Type.String(),
    at: Type.Number(),
    durationMs: DurationMs,
    availability: Type.Number(),
    failure: Nullable(Type.Object({ type: Type.String(), message: Type.String() })),
    distortion: Type.String(),
  }),
  Type.Object({
    type: Type.Literal('end'),
    madeCount: Count,
    lostCount: Count,
    reason: Type.String(),
  }),
  Type.Object({ type: Type.Literal('refused'), reason: Type.String() }),
]);
export type LocalLine = Static<typeof LocalLine>;

/** The agent's side: makes the runs and tells each result as it comes. */
export const answerLocally =
  (onDemand: Pick<OnDemand, 'run'>) =>
  async (question: unknown, tell: (line: unknown) => void, gone: AbortSignal): Promise<void> => {
    const say = (line: LocalLine) => tell(line);
    const asked = check(Question, question);
    if (!asked.ok) return say({ type: 'refused', reason: explain(asked.mistakes) });
    try {
      const onResult = (result: Result) => say(lineOf(result));
      const end = await onDemand.run(asked.value.run, onResult, gone);
      say({ type: 'end', ...end });
    } catch (error) {
      say({ type: 'refused', reason: (error as Error).message });
    }
  };

const lineOf = ({ id, probeId, via, startedAt, ...result }: Result): LocalLine => ({
  type: 'result',
  id,
  probeId,
  via,
  at: startedAt,
  durationMs: result.durationMs,
  availability: result.availability,
  failure:
    result.failure === null ? null : { type: result.failure.type, message: result.failure.message },
  distortion: result.distortion,
});

/** The asking side: runs of the agent with this state folder. */
export const runLocally = async (
  stateFolder: string,
  order: RunOrder,
  onLine: (line: LocalLine) => void,
): Promise<void> => {
  let hasEnded = false;
  const read = (text: unknown) => {
    const line = check(LocalLine, text);
    if (!line.ok) throw new AgentNotRunning(`the agent of ${stateFolder} is another version`);
    hasEnded ||= line.value.type !== 'result';
    onLine(line.value);
  };
  try {
    await askAgent(stateFolder, { run: order }, read);
  } catch (error) {
    throw new AgentNotRunning(
      `no agent answers for the state folder ${stateFolder} (${(error as Error).message}): start it, or name its folder with --state`,
    );
  }
  if (!hasEnded) throw new AgentNotRunning('the agent stopped before it was done');
};
