import { randomUUID } from 'node:crypto';
import type { AccessRule, EdgeConfig } from '#contract/policy.ts';
import { compileAccess } from '#edge/access.ts';
import { type CategoryList, createCategoryReader } from '#edge/categories.ts';

/** Prints as JSON what decisions of the edge's policy cost; a process of its own, for its memory. */
export type AccessFigures = {
  domainCount: number;
  loadMs: number;
  listMb: number;
  lookupUs: number;
  rules: { count: number; compileMs: number; decisionUs: number; rulesMb: number }[];
};

const measure = (): AccessFigures => {
  const text = listText();
  const before = usedMb();
  const beganMs = performance.now();
  const list = readList(text);
  const loadMs = performance.now() - beganMs;
  const listMb = usedMb() - before;
  const names = Array.from({ length: 100_000 }, (_, i) => askedName(i));
  const lookupUs = perItemUs(names, (name) => list.find(name));
  const rules = [1_000, 10_000].map((count) => measureRules(count, list, names));
  return { domainCount: list.domainCount, loadMs, listMb, lookupUs, rules };
};

const measureRules = (count: number, categories: CategoryList, names: readonly string[]) => {
  const before = usedMb();
  const beganMs = performance.now();
  const access = compileAccess(policyOf(count), { categories });
  const compileMs = performance.now() - beganMs;
  const devices = Array.from({ length: 50 }, () => randomUUID());
  const decisionUs = perItemUs(names, (host, at) =>
    access.decide(devices[at % devices.length] ?? '', { host, port: 443 }),
  );
  return { count, compileMs, decisionUs, rulesMb: usedMb() - before };
};

const domainCount = 200_000;
const listText = (): string =>
  Array.from({ length: domainCount }, (_, i) => `${domainName(i)} category-${i % 80}\n`).join('');
/** As long as names are on the whole: some twenty characters. */
const domainName = (i: number): string => `site-${i}-${(i * 7919) % 9973}.example${i % 40}.test`;
/** Half of them listed; five labels, the most usual length of a service's name. */
const askedName = (i: number): string =>
  i % 2 === 0
    ? `a.www.${domainName((i * 31) % domainCount)}`
    : `a.www.other-${i}.example${i % 40}.test`;

const readList = (text: string): CategoryList => {
  const reader = createCategoryReader();
  for (let at = 0; at < text.length; at += 65_536) reader.push(text.slice(at, at + 65_536));
  return reader.end();
};

/** Of each kind a tenth for certain groups, and one rule in ten that only the time of day keeps off. */
const policyOf = (count: number): EdgeConfig => ({
  kind: 'edge-config',
  version: 1,
  revision: '1',
  issuedAt: Date.now(),
  edgeId: 'bench',
  access: Array.from({ length: count }, (_, i) => ruleOf(i)),
  privateApplications: [],
  onward: [],
  revokedDevices: [],
  sampleIntervalMs: 15_000,
  applications: Array.from({ length: 100 }, (_, i) => ({
    appId: `app-${i}`,
    hosts: [`.app-${i}.test`, `.example${i % 40}.app.test`],
    ports: [],
  })),
});

const ruleOf = (i: number): AccessRule => ({
  id: `rule-${i}`,
  action: 'block',
  hosts: ['*'],
  ports: [],
  devices: [],
  ...[
    { hosts: [`.blocked-${i}.test`] },
    { applications: [`app-${i % 100}`], groups: ['sales'] },
    { categories: [`category-${i % 80}`], ports: [8443] },
    { groups: [`group-${i}`] },
    { categories: [`category-${i % 80}`], time: { from: '03:00', to: '03:01', zone: 'UTC' } },
  ][i % 5],
});

/** The fastest of five rounds: what others do on the machine only adds. */
const perItemUs = <T>(items: readonly T[], doIt: (item: T, at: number) => unknown): number => {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 5; round++) {
    const beganMs = performance.now();
    for (const [at, item] of items.entries()) doIt(item, at);
    best = Math.min(best, performance.now() - beganMs);
  }
  return (best * 1_000) / items.length;
};

const usedMb = (): number => {
  (globalThis as { gc?: () => void }).gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return (heapUsed + arrayBuffers) / 1e6;
};

process.stdout.write(JSON.stringify(measure()));
