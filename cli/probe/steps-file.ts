import { Type } from '@sinclair/typebox';
import { check, explain } from '#contract/check.ts';
import {
  maxSteps,
  type PageStep,
  PageStepSpec,
  planSteps,
  stepMistakes,
} from '#contract/page-step.ts';
import { readConfigFile } from '#runtime/config.ts';
import { UsageError } from '../usage-error.ts';

const Steps = Type.Array(PageStepSpec, { minItems: 1, maxItems: maxSteps });

/** A list of steps, alone or under `steps:`, as it stands in the organisation's file. */
export const readSteps = (path: string): PageStep[] => {
  const file = readFile(path);
  const list = Array.isArray(file) ? file : (file as { steps?: unknown } | null)?.steps;
  const checked = check(Steps, list);
  const mistakes = checked.ok ? stepMistakes(checked.value, '') : checked.mistakes;
  if (!checked.ok || mistakes.length > 0) {
    throw new UsageError(`--steps ${path}: not a list of steps\n${explain(mistakes)}`);
  }
  return planSteps(checked.value);
};

const readFile = (path: string): unknown => {
  try {
    return readConfigFile(path);
  } catch (error) {
    throw new UsageError(`--steps ${path}: ${(error as Error).message}`);
  }
};
