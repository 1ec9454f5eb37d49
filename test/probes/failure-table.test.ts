import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { failureTypes } from '#contract/failure.ts';

const docs = readFileSync(join(import.meta.dirname, '../../docs/probes.md'), 'utf8');
const [, table = ''] = /### Beside ZDX\n([\s\S]+?)\n### /.exec(docs) ?? [];
const named = [...table.matchAll(/`([a-z]+\.[a-z_.]+)`/g)].map(([, type = '']) => type);
/** Of web probes; the others are of other probes, or of the agent's own state. */
const ofWebProbes = failureTypes.filter((type) =>
  /^(dns|tcp|tls|http|proxy|edge|probe)\./.test(type),
);
/** Ours alone: nothing of theirs stands for them. */
const withoutCounterpart = ['http.response.too_large', 'http.response.body_mismatch'];

describe('the table of error classes in the docs', () => {
  it('names only types that exist', () => {
    expect(
      named.filter(
        (type) =>
          !(failureTypes as readonly string[]).includes(type) && type !== 'contract/failure.ts',
      ),
    ).toEqual([]);
  });

  it('names every type of a web probe', () => {
    const missing = ofWebProbes.filter(
      (type) => !named.includes(type) && !withoutCounterpart.includes(type),
    );
    expect(missing).toEqual([]);
  });
});
