import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Outcome } from '#probes/probe.ts';
import { type ChainLab, raiseChain } from '../path/chain-lab.ts';

describe('page load in a network of its own', () => {
  let chain: ChainLab;
  beforeAll(async () => {
    // Whatever is not for loopback leaves by the device's default route, or at least tries to.
    chain = await raiseChain(1);
  });
  afterAll(() => chain.lab.down());

  it('contacts no one but the page, neither while it loads nor while it waits', async () => {
    await chain.filterOutput('h', 'oifname "to-r1" meta l4proto { tcp, udp } counter');
    const script = fileURLToPath(new URL('./serve-and-load.ts', import.meta.url));
    const stdout = await chain.run(
      'h',
      process.execPath,
      '--import',
      'tsx',
      script,
      JSON.stringify({ runs: 3, idleMs: 20_000 }),
    );
    const outcomes = JSON.parse(stdout) as Outcome<'page-load'>[];
    expect(outcomes.map(({ failure }) => failure)).toEqual([null, null, null]);
    const rules = await chain.run('h', 'nft', 'list ruleset');
    expect(rules).toMatch(/counter packets 0 bytes 0/);
  });
});
