import type { Evidence } from '#contract/verdict.ts';
import { nearest } from '../nearest.ts';
import { sayCount, sayMs, sayPercent } from '../wording.ts';
import { type Cause, edgeName, nearRunMs, type Scene } from './cause.ts';

/** From here on a person would call the edge's CPU full. */
const busyRatio = 0.8;
/** An edge that begins work on a flow within this is not overloaded, whatever its CPU. */
const harmlessQueueMs = 5;

/** Queueing and a late event loop in the edge; CPU and connection count are only context. */
export const inEdge: Cause = {
  group: 'edge',
  noun: 'the edge',
  says: (ms, scene) => `${edgeName(scene)} holds it up for ${sayMs(ms)}`,
  action: () =>
    'Every device on this edge feels it: check the edge’s load and add an edge, or move devices to another one.',
  fails: 'the edge refused it or did not answer properly',
  looks: (scene) => looksAtLoad(scene),
};

const looksAtLoad = (scene: Scene): Evidence[] => {
  const { run } = scene.run;
  const sample = nearest(
    scene.input.edge,
    nearRunMs(scene),
    (point) => point.tags.edge === run.tags.edge && point.fields.cpu_ratio !== null,
  );
  if (sample === undefined) return [];
  const cpu = sample.fields.cpu_ratio ?? 0;
  const heldUpMs = (run.fields.edge_queue_ms ?? 0) + (sample.fields.loop_delay_ms ?? 0);
  const harmless = heldUpMs < harmlessQueueMs;
  return [
    {
      finding: harmless ? 'cleared' : 'context',
      segment: 'in-edge',
      text:
        cpu >= busyRatio && harmless
          ? `The edge’s CPU is busy (${sayPercent(cpu)}), yet nothing queues (${sayMs(heldUpMs)}): not a cause.`
          : `Edge CPU ${sayPercent(cpu)}, ${sayMs(heldUpMs)} queueing, ${sayCount(sample.fields.stream_count ?? 0, 'open flow')}.`,
      value: cpu,
      baseline: null,
      unit: 'ratio',
    },
  ];
};
