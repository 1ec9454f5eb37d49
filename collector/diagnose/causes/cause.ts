import type { Evidence } from '#contract/verdict.ts';
import type { Point } from '../../store/schema.ts';
import type { JudgedRun } from '../baseline.ts';
import type { DiagnosisInput } from '../input.ts';

/** What a cause may look at besides its own line of the ledger. */
export type Scene = {
  input: DiagnosisInput;
  /** The run whose ledger is shown. */
  run: JudgedRun;
  /** Straight runs of the same application, where the judged ones go through the tunnel. */
  direct: readonly Point<'http'>[];
};

/** One segment's words, beside the numbers that speak for or against it. */
export type Cause = {
  /** In lists of what was cleared: "network, tunnel and edge are normal". */
  group:
    | 'device'
    | 'network'
    | 'tunnel'
    | 'edge'
    | 'name resolution'
    | 'TLS'
    | 'server'
    | 'transfer'
    | 'page';
  /** In evidence lines: "the gateway". */
  noun: string;
  /** After "X is slow on Y:"; the milliseconds above normal are added behind it. */
  says(ms: number, scene: Scene): string;
  /** What to do about it, for the helpdesk. */
  action(scene: Scene): string;
  /** After "X does not work on Y:". */
  fails: string;
  /** Numbers beyond the ledger: what was checked, and which way it counts. */
  looks(scene: Scene): Evidence[];
};

export const nearRunMs = (scene: Scene): number => scene.run.run.timeMs;

export const edgeName = (scene: Scene): string => {
  const id = scene.run.run.tags.edge;
  return id === '' ? 'the edge' : `edge ${scene.input.edgeNames?.[id] ?? id}`;
};
