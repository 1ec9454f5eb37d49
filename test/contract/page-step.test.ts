import { describe, expect, it } from 'vitest';
import { type PageStepSpec, planSteps, stepMistakes } from '#contract/page-step.ts';
import { selectorMistake } from '#contract/selector.ts';

describe('a selector', () => {
  it.each([
    '#login',
    'form > input[name="user.name"]:not([disabled])',
    'a.b, .c ~ d',
    'li:nth-child(2n + 1)::before',
    '#a\\:b',
    'text/Log in (now)!',
    'aria/Search[role="button"]',
    'xpath///div[@id="x"]',
    'pierce/#inside',
    'my-app >>> button',
    'div ::-p-text(Log in, "please")',
    '*',
    'müller',
  ])('is taken: %s', (selector) => {
    expect(selectorMistake(selector)).toBeUndefined();
  });

  it.each([
    ['', /empty/],
    ['#', /name/],
    ['.5col', /begins with a letter/],
    ['div >', /ends with “>”/],
    ['> div', /begins with “>”/],
    ['a,,b', /comma/],
    ['input[name="x]', /not closed/],
    ['a:not(.b', /“\(” is not closed/],
    ['a)', /closes nothing/],
    ['a[b)', /closed by/],
    ['1st', /digit/],
    ['text/ ', /nothing follows/],
    ['div { color }', /no place/],
    ['"#login"', /outside brackets/],
    ['[]', /nothing stands in/],
    ['a\\', /backslash/],
  ])('is refused: %s', (selector, reason) => {
    expect(selectorMistake(selector)).toMatch(reason);
  });
});

describe('steps as written', () => {
  it('get a name that says what they do, never what is filled in, and a time', () => {
    const steps = planSteps([
      { type: 'goto', url: 'https://a.test/start?token=t0ken' },
      { type: 'fill', selector: '#user', value: 'alice' },
      { type: 'wait', url: '/home?sid=s3ssion' },
      { type: 'expect', text: 'Welcome', name: 'greeting', timeoutSeconds: 2.5 },
    ]);
    expect(steps.map(({ name, timeoutMs }) => [name, timeoutMs])).toEqual([
      ['goto /start', 10_000],
      ['fill #user', 10_000],
      ['wait /home', 10_000],
      ['greeting', 2_500],
    ]);
  });

  it.each<[PageStepSpec, string, RegExp]>([
    [{ type: 'fill', selector: '#a' }, 'value', /missing/],
    [{ type: 'fill', selector: '#a', value: 'x', secret: 'X' }, 'secret', /not both/],
    [{ type: 'wait' }, 'selector', /missing/],
    [{ type: 'expect', text: 'a', url: 'b' }, 'selector', /one of/],
    [{ type: 'click', selector: 'a[' }, 'selector', /not a selector/],
    [{ type: 'goto', url: 'https://[' }, 'url', /not a URL/],
  ])('%j are refused by the field’s name', (step, field, message) => {
    expect(stepMistakes([step], '/steps')).toEqual([
      { pointer: `/steps/0/${field}`, message: expect.stringMatching(message) },
    ]);
  });
});
