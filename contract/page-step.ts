import { type Static, Type } from '@sinclair/typebox';
import type { Mistake } from './check.ts';
import { closed, Text } from './scalar.ts';
import { selectorMistake } from './selector.ts';

/** Steps of one page probe. */
export const maxSteps = 30;

const defaultTimeoutSeconds = 10;

const PageUrl = Type.String({ pattern: '^https?://', maxLength: 2048 });
const Selector = Type.String({
  minLength: 1,
  maxLength: 500,
  description: 'a CSS selector, or text/…, aria/…, xpath/…',
});
/** What is looked for on the page, or in its address, where `*` stands for anything. */
const Wanted = Type.String({ minLength: 1, maxLength: 500 });
const Key = Type.String({
  pattern:
    '^(Enter|Tab|Escape|Space|Backspace|Delete|Arrow(Up|Down|Left|Right)|Home|End|Page(Up|Down)|F([1-9]|1[0-2])|[!-~])$',
  description: 'a key as Enter, Tab, Escape, ArrowDown, F5, or one character',
});
/** Of a line in the agent's secrets file. */
export const SecretName = Type.String({
  pattern: '^[A-Za-z_][A-Za-z0-9_.-]{0,63}$',
  description: 'letters, digits, dot, underscore, hyphen; at most 64 characters',
});

const goto = { type: Type.Literal('goto'), url: PageUrl };
const click = { type: Type.Literal('click'), selector: Selector };
/** Either a value, which is in the plan for all to read, or the name of a secret of the agent's. */
const fill = {
  type: Type.Literal('fill'),
  selector: Selector,
  value: Type.Optional(Text(1_000)),
  secret: Type.Optional(SecretName),
};
const press = { type: Type.Literal('press'), key: Key };
const select = { type: Type.Literal('select'), selector: Selector, value: Text(500) };
/** One of the three. */
const condition = {
  selector: Type.Optional(Selector),
  url: Type.Optional(Wanted),
  text: Type.Optional(Wanted),
};
const wait = { type: Type.Literal('wait'), ...condition };
const expect = { type: Type.Literal('expect'), ...condition };

export const stepTypes = ['goto', 'click', 'fill', 'press', 'select', 'wait', 'expect'] as const;

const StepName = Type.String({ minLength: 1, maxLength: 64 });
const planned = {
  name: StepName,
  timeoutMs: Type.Integer({ minimum: 100, maximum: 600_000 }),
};
const written = {
  /** Left out: what it does, as “click #login”. */
  name: Type.Optional(StepName),
  timeoutSeconds: Type.Optional(Type.Number({ minimum: 0.1, maximum: 600 })),
};

/** One thing a person would do on the page, with all defaults written out. */
export const PageStep = Type.Union([
  Type.Object({ ...planned, ...goto }, closed),
  Type.Object({ ...planned, ...click }, closed),
  Type.Object({ ...planned, ...fill }, closed),
  Type.Object({ ...planned, ...press }, closed),
  Type.Object({ ...planned, ...select }, closed),
  Type.Object({ ...planned, ...wait }, closed),
  Type.Object({ ...planned, ...expect }, closed),
]);
export type PageStep = Static<typeof PageStep>;

/** The same as a person writes it. */
export const PageStepSpec = Type.Union([
  Type.Object({ ...written, ...goto }, closed),
  Type.Object({ ...written, ...click }, closed),
  Type.Object({ ...written, ...fill }, closed),
  Type.Object({ ...written, ...press }, closed),
  Type.Object({ ...written, ...select }, closed),
  Type.Object({ ...written, ...wait }, closed),
  Type.Object({ ...written, ...expect }, closed),
]);
export type PageStepSpec = Static<typeof PageStepSpec>;

export const planSteps = (specs: readonly PageStepSpec[]): PageStep[] =>
  specs.map((spec) => {
    const { name, timeoutSeconds = defaultTimeoutSeconds, ...what } = spec;
    return {
      ...what,
      name: name ?? nameOf(spec).slice(0, 64),
      timeoutMs: Math.round(timeoutSeconds * 1_000),
    };
  });

/** Never a value: names are in results and on pages. */
const nameOf = (spec: PageStepSpec): string => {
  switch (spec.type) {
    case 'goto':
      return `goto ${URL.canParse(spec.url) ? new URL(spec.url).pathname : ''}`;
    case 'press':
      return `press ${spec.key}`;
    case 'wait':
    case 'expect':
      return `${spec.type} ${spec.selector ?? spec.text ?? (spec.url ?? '').replace(/[?#].*$/s, '')}`;
    default:
      return `${spec.type} ${spec.selector}`;
  }
};

/** What the shape cannot say. `at` is the pointer to the list. */
export const stepMistakes = (specs: readonly PageStepSpec[], at: string): Mistake[] =>
  specs.flatMap((spec, index) =>
    mistakesOf(spec).map(([field, message]) => ({ pointer: `${at}/${index}/${field}`, message })),
  );

type FieldMistake = [field: string, message: string];

const mistakesOf = (spec: PageStepSpec): FieldMistake[] => {
  const mistakes: FieldMistake[] = [];
  if ('selector' in spec && spec.selector !== undefined) {
    const mistake = selectorMistake(spec.selector);
    if (mistake !== undefined) mistakes.push(['selector', `not a selector: ${mistake}`]);
  }
  if (spec.type === 'goto' && !URL.canParse(spec.url)) {
    mistakes.push(['url', 'not a URL: expected https://host/path']);
  }
  if (spec.type === 'fill') {
    const given = [spec.value, spec.secret].filter((one) => one !== undefined).length;
    if (given === 0) mistakes.push(['value', 'missing: give a value, or the name of a secret']);
    if (given === 2) mistakes.push(['secret', 'give a value or a secret, not both']);
  }
  if (spec.type === 'wait' || spec.type === 'expect') {
    const given = [spec.selector, spec.url, spec.text].filter((one) => one !== undefined).length;
    if (given === 0) mistakes.push(['selector', 'missing: give a selector, a url or a text']);
    if (given > 1) mistakes.push(['selector', 'give one of selector, url and text']);
  }
  return mistakes;
};
