import type { Evidence } from '#contract/verdict.ts';
import { median } from '../statistics.ts';
import { sayMs } from '../wording.ts';
import type { Cause, Scene } from './cause.ts';

/** First to last byte: size against bandwidth. */
export const transfer: Cause = {
  group: 'transfer',
  noun: 'the transfer of the answer',
  says: (ms) => `the transfer of its answer takes ${sayMs(ms)}`,
  action: () =>
    'Check whether the answer has grown; if not, look for a full line: other transfers on the device or at its place.',
  fails: 'the answer breaks off',
  looks: (scene) => looksAtSize(scene),
};

/** An answer this much larger than usual is worth a line. */
const grownRatio = 1.5;

const looksAtSize = (scene: Scene): Evidence[] => {
  const { run } = scene.run;
  const bytes = run.fields.body_bytes;
  const usual = median(
    scene.input.http
      .filter((point) => point.tags.probe === run.tags.probe && point.tags.via === run.tags.via)
      .map((point) => point.fields.body_bytes)
      .filter((each) => each !== null),
  );
  if (bytes === null || usual === null || bytes < usual * grownRatio) return [];
  return [
    {
      finding: 'against',
      segment: 'transfer',
      text: `The answer has grown to ${bytes} bytes, usually ${Math.round(usual)}.`,
      value: bytes,
      baseline: usual,
      unit: 'bytes',
    },
  ];
};
