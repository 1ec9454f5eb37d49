import { readAgentStatus } from '#agent/status.ts';
import { sleep } from '#runtime/backoff.ts';
import type { Api } from '../api.ts';
import type { VerdictList } from '../why.ts';
import type { Screen } from './screen.ts';

const everyMs = 500;

/** Follows verdicts and the agent, and tells the screen what changed. */
export const startTelling = (parts: { api: Api; agentFolder: string; screen: Screen }) => {
  const stopping = new AbortController();
  const told = new Map<string, string>();
  const once = (key: string, value: string, tell: () => void) => {
    if (told.get(key) === value) return;
    told.set(key, value);
    tell();
  };

  const follow = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await tellVerdicts(parts, once).catch(() => {});
      await tellAgent(parts, once).catch(() => {});
      await sleep(everyMs, stopping.signal);
    }
  };
  const following = follow();

  return {
    stop: async () => {
      stopping.abort();
      await following;
    },
  };
};

type Once = (key: string, value: string, tell: () => void) => void;

const tellVerdicts = async (
  { api, screen }: { api: Api; screen: Screen },
  once: Once,
): Promise<void> => {
  const { items } = await api.call<VerdictList>('GET', '/v1/verdicts');
  for (const { verdict } of items) {
    // A verdict that only waits for its second result is no news.
    if (verdict.state === 'inconclusive' && verdict.resultCount < 3) continue;
    once(
      `verdict ${verdict.deviceId} ${verdict.appId}`,
      `${verdict.state} ${verdict.segment}`,
      () => screen.verdict(verdict),
    );
  }
};

const tellAgent = async (
  { agentFolder, screen }: { agentFolder: string; screen: Screen },
  once: Once,
): Promise<void> => {
  const status = await readAgentStatus(agentFolder);
  const { tunnel, capabilities } = status;
  for (const { name, problem } of capabilities) {
    if (problem !== null && !problem.startsWith('not tried'))
      once(`capability ${name}`, problem, () => screen.lacking(name, problem));
  }
  if (tunnel.state === 'connecting') return;
  once('tunnel', `${tunnel.state} ${tunnel.edgeId}`, () =>
    screen.tunnel(
      `tunnel ${tunnel.state}${tunnel.edgeId === null ? '' : ` on ${tunnel.edgeId}`}: ${tunnel.reason}`,
    ),
  );
};
