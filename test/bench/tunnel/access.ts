import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { AccessRule, EdgeConfig } from '#contract/policy.ts';
import { compileAccess } from '#edge/access.ts';
import { type CategoryList, createCategoryReader } from '#edge/categories.ts';

/**
 * What a decision of the edge's policy costs: µs each with 200,000 listed domains, 1,000 and 10,000
 * rules, and what both take of memory. `node --expose-gc --import tsx test/bench/tunnel/access.ts`.
 */
export const measureAccess = async (): Promise<AccessFigures> => {
  const text = listText();
  const before = usedMb();
  const beganMs = performance.now();
  const list = readList(text);
  const loadMs = performance.now() - beganMs;
  const listMb = usedMb() - before;
  const names = Array.from({ length: 100_000 }, (_, i) => askedName(i));
  const lookupUs = perItemUs(names, (name) => list.find(name));

  const rulesFigures = [1_000, 10_000].map((count) => {
    const compileBeganMs = performance.now();
    const heapBefore = usedMb();
    const access = compileAccess(policyOf(count), { categories: list });
    const compileMs = performance.now() - compileBeganMs;
    const devices = Array.from({ length: 50 }, () => randomUUID());
    const decide = (name: string, at: number) =>
      access.decide(devices[at % devices.length] ?? '', { host: name, port: 443 });
    const decisionUs = perItemUs(names, decide);
    return { count, compileMs, decisionUs, rulesMb: usedMb() - heapBefore };
  });
  return { domainCount: list.domainCount, loadMs, listMb, lookupUs, rules: rulesFigures };
};

export type AccessFigures = {
  domainCount: number;
  loadMs: number;
  listMb: number;
  lookupUs: number;
  rules: { count: number; compileMs: number; decisionUs: number; rulesMb: number }[];
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

if (fileURLToPath(import.meta.url) === process.argv[1]) {
  const { rules, ...list } = await measureAccess();
  console.log(
    `${list.domainCount} domains: loaded in ${list.loadMs.toFixed(0)} ms, ${list.listMb.toFixed(1)} MB, ` +
      `${list.lookupUs.toFixed(2)} µs a look-up`,
  );
  for (const { count, compileMs, decisionUs, rulesMb } of rules) {
    console.log(
      `${count} rules: compiled in ${compileMs.toFixed(0)} ms, ${rulesMb.toFixed(1)} MB, ` +
        `${decisionUs.toFixed(2)} µs a decision`,
    );
  }
}
