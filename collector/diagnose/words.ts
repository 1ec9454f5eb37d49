import { type FailureType, failureFacts } from '#contract/failure.ts';
import type { Segment } from '#contract/verdict.ts';
import type { Point } from '../store/schema.ts';
import type { JudgedRun } from './baseline.ts';
import type { Cause, Scene } from './causes/cause.ts';
import { causes } from './causes/causes.ts';
import { pageAction, sayPage } from './causes/page.ts';
import type { Finding } from './findings.ts';
import { type DiagnosisInput, evidenceWindow } from './input.ts';
import type { PageFinding } from './page.ts';
import { type SharedHang, saySharedHang, sharedHangAction } from './shared-hang.ts';
import { sayCount, sayList, sayMs, sayTime } from './wording.ts';

/** The answer for the helpdesk to read out, and what to do. */
export type Words = { sentence: string; action: string };

type Of<F, K> = Extract<F, { kind: K }>;

const noAction = 'Nothing to do.';
const waitAction = 'Wait for the next runs; the verdict follows by itself.';

export const okWords = (finding: Of<Finding, 'ok'>, input: DiagnosisInput): Words => {
  const run = finding.runs.at(-1) as JudgedRun;
  const usual = comparedWith(run);
  if (finding.lone) {
    const { appName, deviceName } = input;
    const sentence = `${appName} works on ${deviceName}. One of its last two runs was slow, the other was not: one slow run is not a trend. The latest took ${sayMs(run.totalMs)}; ${usual}.`;
    return { sentence, action: noAction };
  }
  return {
    sentence: `${input.appName} is fine on ${input.deviceName}: it answers in ${sayMs(run.totalMs)}; ${usual}.`,
    action: noAction,
  };
};

const comparedWith = (run: JudgedRun): string => {
  const normal = sayMs(run.baselineTotalMs ?? 0);
  return run.reference.from === 'own-past'
    ? `${normal} is normal (its own last ${sayCount(run.reference.count, 'run')})`
    : `this device’s other applications take ${normal}`;
};

export const slowWords = (finding: Of<Finding, 'slow'>, scene: Scene): Words => {
  const [top, second] = finding.shares;
  if (top === undefined) return unlocatedWords(scene, finding.sinceMs);
  const cause: Cause = causes[top.segment];
  const said = blame(top.segment, scene);
  const beside =
    finding.shared && second !== undefined
      ? ` The blame is shared: ${blame(second.segment, scene)}.`
      : '';
  const cleared = clearedWords(
    scene.run,
    finding.shares.slice(0, finding.shared ? 2 : 1).map((share) => share.segment),
  );
  return {
    sentence: `${opening(scene.input, finding.sinceMs)}: ${said}${cleared}.${beside}`,
    action: cause.action(scene),
  };
};

const opening = (input: DiagnosisInput, sinceMs: number): string =>
  `${input.appName} is slow on ${input.deviceName} ${sayHowLong(sinceMs, input)}`;

const blame = (segment: Segment, scene: Scene): string => {
  const { run } = scene;
  const ms = run.parts[segment] ?? 0;
  const addedMs = run.added[segment] ?? 0;
  const than =
    run.reference.from === 'own-past' ? 'than usual' : 'than this device’s other applications';
  return `${causes[segment].says(ms, scene)}, ${sayMs(addedMs)} more ${than}`;
};

/** A part that added less than this share of the largest one, or than 5 ms, is called normal. */
const normalShare = 0.2;
const normalMs = 5;

export const isNormal = (run: JudgedRun, segment: Segment, topMs: number): boolean => {
  const addedMs = run.added[segment];
  return addedMs !== null && addedMs < Math.max(normalMs, normalShare * topMs);
};

const clearedGroups = ['network', 'tunnel', 'edge', 'server'] as const;

/** "; network, tunnel and edge are normal": only groups of which every measured part is. */
const clearedWords = (run: JudgedRun, blamed: readonly Segment[]): string => {
  const topMs = run.added[blamed[0] ?? 'server'] ?? 0;
  const normal = clearedGroups.filter((group) => {
    const members = (Object.keys(causes) as Segment[]).filter(
      (segment) => causes[segment].group === group && run.parts[segment] !== null,
    );
    return (
      members.length > 0 &&
      members.every((segment) => !blamed.includes(segment) && isNormal(run, segment, topMs))
    );
  });
  if (normal.length === 0) return '';
  return normal.length === 1 ? `; the ${normal[0]} is normal` : `; ${sayList(normal)} are normal`;
};

export const unlocatedWords = (scene: Scene, sinceMs: number): Words => {
  const { run, input } = scene;
  const missing = missingWords(run);
  const addedMs = Math.max(0, run.addedTotalMs ?? 0);
  return {
    sentence: `${opening(input, sinceMs)} (${sayMs(run.totalMs)}, ${sayMs(addedMs)} more than normal), but not enough is measured to say where: ${missing.what}.`,
    action: missing.action,
  };
};

const missingWords = (run: JudgedRun): { what: string; action: string } => {
  if (run.parts['client-edge'] === null && run.via === 'tunnel') {
    return {
      what: 'no sample of the device’s tunnel lies near these runs',
      action: 'Check that the agent’s tunnel is up and ships its samples (`whyslow agent status`).',
    };
  }
  if (run.parts.server === null) {
    return {
      what: 'the round trip behind the edge was not measured',
      action: 'Check that the edge runs and is of the same version as the agent.',
    };
  }
  if (run.unexplainedWayMs >= run.residualAddedMs / 2 && run.unexplainedWayMs > 0) {
    return {
      what: `${sayMs(run.unexplainedWayMs)} went between the device and the edge, but the tunnel’s own samples do not show them`,
      action: waitAction,
    };
  }
  return {
    what: 'no measured part of it has grown enough in every run',
    action: waitAction,
  };
};

/** The third state: neither up nor down, and why. */
export const leftOutWords = (
  {
    count,
    reason,
    run,
  }: { count: number; reason: string; run: Point<'http'> | Point<'page_load'> },
  { appName, deviceName }: DiagnosisInput,
): Words => {
  const type = run.tags.failure_type;
  return {
    sentence: `It cannot be said how ${appName} does on ${deviceName}: the last ${sayCount(count, 'run')} say${count === 1 ? 's' : ''} nothing about it, as ${reason}.`,
    action:
      run.fields.distorted === 1
        ? distortedAction
        : isFailureType(type)
          ? failureFacts[type].action
          : waitAction,
  };
};

const distortedAction =
  'See what kept the device from running the agent in time (CPU, sleep, its clock); the next runs will tell.';

const isFailureType = (type: string): type is FailureType => Object.hasOwn(failureFacts, type);

export const failingWords = (
  run: Point<'http'> | Point<'page_load'>,
  segment: Segment | null,
  sinceMs: number,
  input: DiagnosisInput,
  { beside, rarely }: { beside?: SharedHang | undefined; rarely?: true | undefined } = {},
): Words => ({
  sentence: `${input.appName} does not ${rarely ? 'always ' : ''}work on ${input.deviceName} ${sayHowLong(sinceMs, input)}: ${beside === undefined ? sayFailure(run, segment) : saySharedHang(beside)}.`,
  action: beside === undefined ? failureAction(run, segment) : sharedHangAction,
});

/** So near to the window's border a row of failures may have begun before it. */
const borderMs = 10 * 60_000;

/** A row as old as the window would else begin with it, at another minute in each verdict. */
const sayHowLong = (sinceMs: number, { nowMs }: DiagnosisInput): string =>
  sinceMs <= nowMs - evidenceWindow.http.windowMs + borderMs
    ? 'for about two hours or longer'
    : `since ${sayTime(sinceMs)}`;

/** As the page probe says it: `step 2 “open the basket” (#basket) – nothing fits`. */
const stepForm = /^(step \d+ “.*?”)(?: \(.*?\))? – (.*)$/s;

/** What fails, in words: the type is in the evidence. */
const sayFailure = (
  { tags, fields }: Point<'http'> | Point<'page_load'>,
  segment: Segment | null,
): string => {
  const message = (fields.failure_message ?? '').replace(/[.\s]+$/, '');
  if (tags.failure_type === 'browser.step_failed') {
    const [, step = 'a step', reason = message] = stepForm.exec(message) ?? [];
    return `the page opens, but ${step} failed${reason === '' ? '' : `: ${reason}`}`;
  }
  const what =
    tags.failure_type === 'browser.timed_out'
      ? 'the page does not finish loading'
      : segment === null
        ? 'every run fails'
        : causes[segment].fails;
  return message === '' ? what : `${what}: ${message}`;
};

/** What to do when nothing comes back: no ledger to look at, so the words are plainer. */
const failureActions = {
  device: 'Check that the agent runs (`whyslow agent status`) and restart it.',
  gateway: 'Check the cable or Wi-Fi and the gateway.',
  'client-edge':
    'Check the device’s network, then the path and the firewalls on the way to the edge.',
  'tunnel-queue': 'Check the tunnel (`whyslow agent status`).',
  'in-edge': 'Check the edge’s load and log.',
  'edge-origin':
    'Check from elsewhere whether the application is up, then the path behind the edge.',
  dns: 'Check the name for typing errors, then the resolver and the domain’s name servers.',
  tls: 'Check the server’s certificate and TLS versions, and whether something inspects TLS on the way.',
  server: 'Tell the application’s owner, with the time, the URL and the error.',
  transfer: 'Check for a firewall or path-MTU problem that breaks long answers.',
  page: 'Open the page in a browser; tell the application’s owner what it shows.',
} as const satisfies Record<Segment, string>;

const failureAction = (
  { tags }: Point<'http'> | Point<'page_load'>,
  segment: Segment | null,
): string => {
  if (tags.failure_type === 'browser.step_failed') return stepAction;
  return segment === null ? waitAction : failureActions[segment];
};

const stepAction =
  'Do the steps by hand in a browser up to this one, beside the run’s screenshot: the page may have been changed since the steps were written.';

export const policyWords = (finding: Of<Finding, 'policy'>, input: DiagnosisInput): Words => ({
  sentence: `${input.appName} is not reached from ${input.deviceName} because the organisation’s policy blocks it (${finding.run.fields.failure_message ?? 'policy.blocked'}); nothing is said about its speed.`,
  action: 'Ask the policy’s owner whether this device should be allowed.',
});

export const thinWords = (
  finding: Of<Finding, 'thin'> | Of<PageFinding, 'page-thin'>,
  input: DiagnosisInput,
): Words => {
  const count = `${finding.have} of ${finding.need} runs`;
  const what =
    finding.what === 'runs'
      ? count
      : `${count} needed to know what is normal, and no other application to compare with`;
  const left = excludedWords(finding.track.excluded.slice(-2).map((each) => each.reason));
  return {
    sentence: `Not enough evidence about ${input.appName} on ${input.deviceName}: ${what}${left}.`,
    action: waitAction,
  };
};

const excludedWords = (reasons: readonly string[]): string =>
  reasons.length === 0 ? '' : `; runs were left out because ${sayList([...new Set(reasons)])}`;

export const pageOkWords = (finding: Of<PageFinding, 'page-ok'>, input: DiagnosisInput): Words => ({
  sentence: `${input.appName} is fine on ${input.deviceName}: its page takes ${sayMs(finding.page.ms)}; ${sayMs(finding.page.baselineMs ?? 0)} is normal.`,
  action: noAction,
});

export const pageSlowWords = (
  finding: Of<PageFinding, 'page-slow'>,
  input: DiagnosisInput,
): Words => {
  const request = input.http.length === 0 ? '' : '; the request itself is answered as usual';
  return {
    sentence: `${opening(input, finding.sinceMs)}: ${sayPage(finding.page, finding.host)}${request}.`,
    action: pageAction(finding.host),
  };
};
