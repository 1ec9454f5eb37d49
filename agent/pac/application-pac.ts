import { fillPac, type PacValues } from '#contract/pac.ts';
import type { Log } from '#runtime/log.ts';
import { parsePacAnswer } from './answer.ts';
import { createDecisionCache } from './decision-cache.ts';
import { followPac, type PacDecision, type PacPlaces } from './follow.ts';
import { resolveName } from './resolve-name.ts';
import { createSandbox, type Sandbox } from './sandbox.ts';

/** What the script is to know, and what becomes of flows it says nothing about. */
export type PacSetup = PacPlaces & {
  /** As the organisation wrote it. */
  text: string;
  values: PacValues;
  /** Of the device, that of its way out first. */
  own: readonly string[];
  /** `closed`: without an answer a flow is carried; `open`: the rules after decide. */
  whenUnknown: 'closed' | 'open';
};

export type PacStatus = { state: 'off' | 'ready' | 'broken'; problem: string };

/** The organisation's own script, asked where a flow goes. */
export type ApplicationPac = {
  /** Undefined: there is none. The same again changes nothing; anything else forgets every answer. */
  set(setup: PacSetup | undefined): void;
  /** At once where the answer is known; undefined: it says nothing. Never rejects. */
  ask(flow: { host: string; port: number }): Answer | Promise<Answer>;
  status(): PacStatus;
  stop(): Promise<void>;
};

type Answer = PacDecision | undefined;

const maxCached = 10_000;
const cachedMs = 60_000;
const failedMs = 5_000;
const mostNames = 10;
/** So many decisions in a row past their deadline, and the script is left alone for a while. */
const mostLate = 5;
const restMs = 60_000;

export const createApplicationPac = (parts: {
  log: Log;
  onChange?: (name: 'pac-broken' | 'pac-restored', reason: string) => void;
  resolve?: (name: string) => Promise<readonly string[]>;
  sandbox?: Sandbox;
  /** Monotonic milliseconds. */
  now?: () => number;
}): ApplicationPac => {
  const now = parts.now ?? (() => performance.now());
  const log = parts.log.child({ component: 'pac' });
  const sandbox = parts.sandbox ?? createSandbox({ log: parts.log });
  const resolve = parts.resolve ?? resolveName;
  const answers = createDecisionCache<{ answer: Answer }>(maxCached, now);
  const names = createDecisionCache<readonly string[]>(maxCached, now);
  const underway = new Map<string, Promise<Answer>>();
  const told = new Set<string>();
  let setup: PacSetup | undefined;
  let compiled: Promise<string | undefined> = Promise.resolve(undefined);
  let problem = '';
  let lateCount = 0;
  let restsUntilMs = 0;

  const say = (found: string) => {
    if (found === problem) return;
    const name = found === '' ? 'pac-restored' : 'pac-broken';
    const reason = found === '' ? 'the PAC file answers again' : found;
    problem = found;
    log.warn({ reason }, name);
    parts.onChange?.(name, reason.slice(0, 300));
  };
  const tellStrangers = (strangers: readonly string[]) => {
    for (const stranger of strangers) {
      if (told.has(stranger) || told.size >= 100) continue;
      told.add(stranger);
      const reason = `the PAC file answers ${stranger}, which is no edge of ours: passed over`;
      log.warn({ stranger }, 'PAC file names a stranger');
      parts.onChange?.('pac-broken', reason);
    }
  };

  const withoutAnswer = (given: PacSetup, why: string): Answer =>
    given.whenUnknown === 'closed'
      ? { action: 'tunnel', edges: [], rule: `pac ${why}` }
      : undefined;
  const read = (given: PacSetup, text: string): Answer => {
    const elements = parsePacAnswer(text);
    if (elements.length === 0) {
      // Browsers go direct then.
      if (given.whenUnknown === 'open') return { action: 'direct', edges: [], rule: 'pac empty' };
      return withoutAnswer(given, 'empty');
    }
    const { decision, strangers } = followPac(elements, given);
    tellStrangers(strangers);
    return decision;
  };
  const resolved = async (name: string): Promise<readonly string[]> => {
    const known = names.get(name);
    if (known !== undefined) return known;
    const found = await resolve(name).catch(() => []);
    names.set(name, found, cachedMs);
    return found;
  };

  /** Runs the script until it lacks no name. */
  const evaluate = async (question: { url: string; host: string }) => {
    const known: Record<string, readonly string[]> = Object.create(null);
    for (let run = 0; run <= mostNames; run += 1) {
      const report = await sandbox.ask({ ...question, names: known });
      if (report.kind !== 'need') return report;
      known[report.name] = await resolved(report.name);
    }
    const text = `it asks for more than ${mostNames} names for one decision`;
    return { kind: 'problem', problem: text, isDeadline: false } as const;
  };
  const decide = async (given: PacSetup, url: string, host: string): Promise<Answer> => {
    const broken = await compiled;
    if (broken !== undefined) {
      if (!isOfProcess(broken) || now() < restsUntilMs) return withoutAnswer(given, 'broken');
      restsUntilMs = now() + restMs;
      compiled = compile(sandbox, given.text, given.values, given.own);
      if ((await compiled) !== undefined) return withoutAnswer(given, 'broken');
      restsUntilMs = 0;
    }
    if (now() < restsUntilMs) return withoutAnswer(given, 'late');
    const report = await evaluate({ url, host });
    // Of another script, or another network, than by now.
    if (given !== setup) return setup && decide(setup, url, host);
    if (report.kind === 'answer') {
      lateCount = 0;
      const answer = read(given, report.text);
      answers.set(url, { answer }, cachedMs);
      say('');
      return answer;
    }
    lateCount = report.isDeadline ? lateCount + 1 : 0;
    if (lateCount >= mostLate) restsUntilMs = now() + restMs;
    say(`the PAC file fails: ${report.problem}`);
    const answer = withoutAnswer(given, 'failed');
    answers.set(url, { answer }, failedMs);
    return answer;
  };

  return {
    set(wanted) {
      if (JSON.stringify(wanted) === JSON.stringify(setup)) return;
      setup = wanted;
      answers.clear();
      names.clear();
      underway.clear();
      told.clear();
      lateCount = 0;
      restsUntilMs = 0;
      if (wanted === undefined) {
        problem = '';
        return;
      }
      const { own, text, values } = wanted;
      compiled = compile(sandbox, text, values, own);
      void compiled.then((found) => {
        if (wanted === setup)
          say(found === undefined ? '' : `the PAC file cannot be used: ${found}`);
      });
    },
    ask({ host, port }) {
      if (setup === undefined) return undefined;
      const url = urlOf(host, port);
      const known = answers.get(url);
      if (known !== undefined) return known.answer;
      const already = underway.get(url);
      if (already !== undefined) return already;
      const asked = decide(setup, url, host.toLowerCase()).finally(() => {
        if (underway.get(url) === asked) underway.delete(url);
      });
      underway.set(url, asked);
      return asked;
    },
    status: () =>
      setup === undefined
        ? { state: 'off', problem: '' }
        : { state: problem === '' ? 'ready' : 'broken', problem },
    stop: () => sandbox.stop(),
  };
};

/** No fault of the script's: a process that was killed, or did not start. */
const isOfProcess = (problem: string): boolean => /^(killed|the sandbox ended)/.test(problem);

const compile = async (
  sandbox: Sandbox,
  text: string,
  values: PacValues,
  own: readonly string[],
): Promise<string | undefined> => {
  try {
    return await sandbox.compile({ text: fillPac(text, values), own });
  } catch (error) {
    return (error as Error).message;
  }
};

/** All a script gets to know of where a flow goes: no path, no query. */
const urlOf = (host: string, port: number): string => {
  const name = (host.includes(':') ? `[${host}]` : host).toLowerCase();
  if (port === 80) return `http://${name}/`;
  return port === 443 ? `https://${name}/` : `https://${name}:${port}/`;
};
