import { readAgentStatus } from '#agent/status.ts';
import { sleep } from '#runtime/backoff.ts';
import type { Api } from '../api.ts';
import type { VerdictList } from '../why.ts';
import type { Screen } from './screen.ts';

const everyMs = 500;

type Parts = { api: Api; agentFolder: string; screen: Screen };

/** Follows verdicts and the agent, and tells the screen what changed. */
export const startTelling = (parts: Parts) => {
  const stopping = new AbortController();
  const startedAt = Date.now();
  const told = new Map<string, string>();

  const follow = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      // Between two lives of a program nobody answers; its end was told already.
      await tellVerdicts(parts, told, startedAt).catch(() => {});
      await tellAgent(parts, told).catch(() => {});
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

const isNews = (told: Map<string, string>, key: string, value: string): boolean => {
  if (told.get(key) === value) return false;
  told.set(key, value);
  return true;
};

const tellVerdicts = async (
  { api, screen }: Parts,
  told: Map<string, string>,
  startedAt: number,
): Promise<void> => {
  const { items } = await api.call<VerdictList>('GET', '/v1/verdicts');
  for (const { verdict } of items) {
    const { deviceId, appId, state, segment } = verdict;
    // An earlier start's verdicts are history, on the pages.
    if (verdict.at < startedAt) continue;
    const key = `verdict ${deviceId} ${appId}`;
    // That the first results are still awaited is no news.
    if (state === 'inconclusive' && !told.has(key)) continue;
    if (isNews(told, key, `${state} ${segment}`)) screen.verdict(verdict);
  }
};

const tellAgent = async (
  { agentFolder, screen }: Parts,
  told: Map<string, string>,
): Promise<void> => {
  const { tunnel, capabilities } = await readAgentStatus(agentFolder);
  for (const { name, problem } of capabilities) {
    if (problem === null || problem.startsWith('not tried')) continue;
    if (isNews(told, `capability ${name}`, problem)) screen.lacking(name, problem);
  }
  // Before the first edge is known there is nothing to say about it.
  if (tunnel.state !== 'up' && !told.has('tunnel')) return;
  if (isNews(told, 'tunnel', `${tunnel.state} ${tunnel.edgeId}`)) {
    const where = tunnel.edgeId === null ? '' : ` on ${tunnel.edgeId}`;
    screen.tunnel(`tunnel ${tunnel.state}${where}: ${tunnel.reason}`);
  }
};
