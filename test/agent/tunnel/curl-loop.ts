import type { Lab } from '#test/lab/lab.ts';

/** One request by curl through the local proxy of a node's agent. Times are this process's. */
export type Asked = {
  startedMs: number;
  endedMs: number;
  isGood: boolean;
  /** The edge that says it opened the flow; '' without an answer. */
  edge: string;
  code: number;
};

export type CurlLoop = {
  asked: Asked[];
  /** Waits for those under way and gives all. */
  stop(): Promise<Asked[]>;
};

export const localProxy = '127.0.0.1:9339';

/** A small request every so often, whether or not the one before has ended, as a user's clicks. */
export const startCurlLoop = (lab: Lab, node: string, everyMs = 300): CurlLoop => {
  const asked: Asked[] = [];
  const running = new Set<Promise<void>>();
  const ask = async () => {
    const startedMs = performance.now();
    const answer = await curlThrough(lab, node, 'https://crm.saas.test/health', '-m', '20');
    asked.push({ startedMs, endedMs: performance.now(), ...answer });
  };
  const timer = setInterval(() => {
    const one = ask().finally(() => running.delete(one));
    running.add(one);
  }, everyMs);
  return {
    asked,
    async stop() {
      clearInterval(timer);
      await Promise.all(running);
      return asked.sort((a, b) => a.startedMs - b.startedMs);
    },
  };
};

export const curlThrough = async (lab: Lab, node: string, url: string, ...args: string[]) => {
  const { stdout, code } = await lab.exec(node, 'curl', [
    ...['-s', '-o', '/dev/null', '-D', '-', '-x', `http://${localProxy}`],
    ...['-w', '%{http_code}', '--cacert', `${lab.folder}/ca.pem`, ...args, url],
  ]);
  const edge = /^server-timing: edge;desc="(\w+)"/im.exec(stdout)?.[1] ?? '';
  return { code, isGood: code === 0 && stdout.endsWith('200'), edge };
};

/** What a user went through in a loop: the longest time without a good answer, and the worst request. */
export const describeGap = (asked: readonly Asked[]) => {
  const good = asked.filter(({ isGood }) => isGood).map(({ endedMs }) => endedMs);
  good.sort((a, b) => a - b);
  const gaps = good.slice(1).map((endedMs, index) => endedMs - (good[index] ?? endedMs));
  return {
    count: asked.length,
    failedCount: asked.filter(({ isGood }) => !isGood).length,
    gapMs: Math.round(Math.max(...gaps)),
    slowestMs: Math.round(Math.max(...asked.map((each) => each.endedMs - each.startedMs))),
  };
};
