import { createApplicationPac } from '#agent/pac/application-pac.ts';
import { pacValues } from '#agent/pac/values.ts';
import { silentLog } from '#runtime/log.ts';
import type { Row } from '../rows.ts';
import { alone, median } from './rows.ts';

const ruleCount = 500;
const uncachedCount = 3_000;
const cachedCount = 200_000;
const rounds = 5;

/** The usual mix: domains, patterns, addresses; nothing of it matches, so that every rule is asked. */
const script = (): string => {
  const rules = Array.from({ length: ruleCount }, (_, index) => {
    if (index % 10 === 0) return `isInNet(host, "10.${index >> 1}.0.0", "255.255.0.0")`;
    if (index % 2 === 0) return `shExpMatch(host, "*.app${index}.example.test")`;
    return `dnsDomainIs(host, ".corp${index}.example.test")`;
  });
  const lines = rules.map((rule) => `  if (${rule}) return "DIRECT";`);
  return `function FindProxyForURL(url, host) {\n${lines.join('\n')}\n  return "PROXY \${TUNNEL}";\n}`;
};

/**
 * One decision of the agent by a PAC file of 500 rules: asked of the sandbox, its process and one
 * name to resolve included, and from the cache. The targets are the spike's figures, with room.
 */
export const measurePac = async (place: { log: (line: string) => void }): Promise<Row[]> => {
  const pac = createApplicationPac({ log: silentLog(), resolve: async () => ['192.0.2.7'] });
  const proxy = { host: '127.0.0.1', port: 9_339 };
  const facts = { edges: [], ranking: [], network: undefined, proxy, isForBrowsers: false };
  const values = pacValues(facts);
  const places = { edges: [], listeners: [], own: [] };
  pac.set({ text: script(), values, whenUnknown: 'closed', ...places });
  try {
    // An interpreter that has run for a while is compiled.
    await uncached(pac, 'warm', 500);
    const uncachedUs: number[] = [];
    const literalUs: number[] = [];
    const cachedUs: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      uncachedUs.push(await uncached(pac, `r${round}`, uncachedCount / rounds));
      literalUs.push(await uncached(pac, undefined, uncachedCount / rounds, round));
      cachedUs.push(cached(pac));
    }
    place.log(`pac: ${JSON.stringify({ uncachedUs, literalUs, cachedUs })}`);
    return [
      alone(`PAC decision, ${ruleCount} rules, cached`, 'µs', median(cachedUs), '<= 2'),
      alone(`PAC decision, ${ruleCount} rules, asked`, 'µs', median(literalUs), '<= 800'),
      alone(
        `PAC decision, ${ruleCount} rules, asked, a name to resolve first`,
        'µs',
        median(uncachedUs),
        '<= 1200',
      ),
    ];
  } finally {
    await pac.stop();
  }
};

type Pac = ReturnType<typeof createApplicationPac>;

/** Mean µs of decisions that were never made before; without a prefix for addresses, which need no name. */
const uncached = async (
  pac: Pac,
  prefix: string | undefined,
  count: number,
  round = 0,
): Promise<number> => {
  const startedMs = performance.now();
  for (let index = 0; index < count; index += 1) {
    const host =
      prefix === undefined
        ? `203.0.${round * 8 + (index >> 8)}.${index & 255}`
        : `${prefix}-${index}.example.test`;
    await pac.ask({ host, port: 443 });
  }
  return ((performance.now() - startedMs) * 1_000) / count;
};

const cached = (pac: Pac): number => {
  const flows = Array.from({ length: 100 }, (_, index) => ({
    host: `r0-${index}.example.test`,
    port: 443,
  }));
  const startedMs = performance.now();
  for (let index = 0; index < cachedCount; index += 1) {
    const flow = flows[index % flows.length];
    if (flow === undefined || pac.ask(flow) instanceof Promise) throw new Error('not cached');
  }
  return ((performance.now() - startedMs) * 1_000) / cachedCount;
};
