import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { type Static, Type } from '@sinclair/typebox';
import { check, explain } from '#contract/check.ts';
import { labFolder } from './build/names.ts';
import type { Metrics } from './topology/routes.ts';
import type { Topology } from './topology/topology.ts';

const Helper = Type.Union([Type.Null(), Type.Object({ pid: Type.Integer({ minimum: 2 }) })]);

const StateSchema = Type.Object({
  version: Type.Literal(1),
  name: Type.String(),
  /** Written by ourselves from a checked topology. */
  topology: Type.Unsafe<Topology>(Type.Object({ name: Type.String() })),
  /** `rising` is also what a run that was killed leaves behind. */
  phase: Type.Union([Type.Literal('rising'), Type.Literal('up')]),
  raisedAt: Type.String(),
  metrics: Type.Unsafe<Metrics>(Type.Record(Type.String(), Type.Number())),
  /** false while tables are being changed: whoever finds it so writes them anew. */
  isRoutingWhole: Type.Boolean(),
  shim: Helper,
  services: Helper,
});

/** What any process needs to know to work on a lab that is up; `state.json` in its folder. */
export type LabState = Static<typeof StateSchema>;

const stateFile = (lab: string): string => `${labFolder(lab)}/state.json`;

/** undefined: there is none, or a killed writer's half. */
export const readState = (lab: string): LabState | undefined => {
  let text: string;
  try {
    text = readFileSync(stateFile(lab), 'utf8');
  } catch {
    return undefined;
  }
  const checked = check(StateSchema, JSON.parse(text));
  if (!checked.ok) throw new Error(`${stateFile(lab)}: ${explain(checked.mistakes)}`);
  return checked.value;
};

export const writeState = (state: LabState): void => {
  const path = stateFile(state.name);
  writeFileSync(`${path}.new`, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
};

export const changeState = (lab: string, change: Partial<LabState>): LabState => {
  const state = readState(lab);
  if (state === undefined) throw new Error(`the lab "${lab}" is not up`);
  const next = { ...state, ...change };
  writeState(next);
  return next;
};
