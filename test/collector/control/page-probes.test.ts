import { describe, expect, it } from 'vitest';
import { compileProbe, mistakesOf } from './compiled-probe.ts';

const plain = { type: 'page-load', url: 'https://crm.test/' };
const compile = (changes: object) => compileProbe({ ...plain, ...changes });
const mistakes = (changes: object) => mistakesOf({ ...plain, ...changes });

describe('page loads as declared', () => {
  it('are in a plan as agents before them know it, unless more is declared', () => {
    const [probe] = compile({});
    for (const name of ['steps', 'screenshot', 'har']) expect(probe).not.toHaveProperty(name);
    expect(compile({ screenshot: 'never', har: true })).toMatchObject([
      { screenshot: 'never', har: true, via: 'tunnel' },
    ]);
  });

  it('have their steps with names and times, and secrets by name only', () => {
    const steps = [
      { type: 'fill', selector: '#p', secret: 'CRM_PASSWORD' },
      { type: 'click', name: 'log in', selector: 'text/Log in', timeoutSeconds: 3 },
    ];
    expect(compile({ steps })).toMatchObject([
      {
        steps: [
          { type: 'fill', name: 'fill #p', secret: 'CRM_PASSWORD', timeoutMs: 10_000 },
          { type: 'click', name: 'log in', timeoutMs: 3_000 },
        ],
      },
    ]);
  });

  it.each([
    ['a selector that is none', { type: 'click', selector: 'a[' }, 'selector', /not closed/],
    ['no selector', { type: 'click' }, 'selector', /^missing/],
    ['a kind of step there is not', { type: 'hover', selector: 'a' }, 'type', /one of goto, click/],
    ['a field there is not', { type: 'press', key: 'Tab', keys: 'x' }, 'keys', /unexpected/i],
    ['a key there is not', { type: 'press', key: 'Any' }, 'key', /Enter, Tab/],
    ['nothing to fill in', { type: 'fill', selector: 'a' }, 'value', /missing/],
    [
      'a secret’s name that is none',
      { type: 'fill', selector: 'a', secret: 'a b' },
      'secret',
      /letters/,
    ],
  ])('are refused by the field’s name: %s', (_name, step, field, message) => {
    expect(mistakes({ steps: [{ type: 'press', key: 'Tab' }, step] })).toContainEqual({
      pointer: `/applications/0/probes/0/steps/1/${field}`,
      message: expect.stringMatching(message),
    });
  });
});
