import type { Evidence } from '#contract/verdict.ts';
import { nearest } from '../nearest.ts';
import { sayMs, sayPercent } from '../wording.ts';
import { type Cause, nearRunMs, type Scene } from './cause.ts';

/** From here on a person would call the CPU or memory full. */
const busyRatio = 0.9;
/** Below this delay of the event loop a busy CPU has not touched the timings. */
const harmlessLagMs = 5;

/** The agent's event-loop delay is the control: a busy CPU alone is never a cause. */
export const device: Cause = {
  group: 'device',
  noun: 'the device itself',
  says: (ms) => `the device itself is busy and holds each step up, ${sayMs(ms)} in all`,
  action: () =>
    'Look at what uses the device’s CPU and memory (task manager); close it or restart the device.',
  fails: 'the fault is on the device itself',
  looks: (scene) => [...looksAtCpu(scene), ...looksAtMemory(scene)],
};

const sampleNear = (scene: Scene) =>
  nearest(scene.input.device, nearRunMs(scene), (point) => point.fields.cpu_ratio !== null);

const looksAtCpu = (scene: Scene): Evidence[] => {
  const cpu = sampleNear(scene)?.fields.cpu_ratio ?? null;
  if (cpu === null) return [];
  const lagMs = scene.run.run.fields.loop_delay_ms ?? 0;
  const harmless = lagMs < harmlessLagMs;
  return [
    {
      finding: harmless ? 'cleared' : 'context',
      segment: 'device',
      text:
        cpu >= busyRatio && harmless
          ? `The CPU is busy (${sayPercent(cpu)}), yet the agent was not held up (${sayMs(lagMs)}): not a cause.`
          : `CPU ${sayPercent(cpu)}, agent held up ${sayMs(lagMs)} a step.`,
      value: cpu,
      baseline: null,
      unit: 'ratio',
    },
  ];
};

const looksAtMemory = (scene: Scene): Evidence[] => {
  const used = sampleNear(scene)?.fields.memory_used_ratio ?? null;
  if (used === null || used < busyRatio) return [];
  return [
    {
      finding: 'context',
      segment: 'device',
      text: `Memory is ${sayPercent(used)} used.`,
      value: used,
      baseline: null,
      unit: 'ratio',
    },
  ];
};
