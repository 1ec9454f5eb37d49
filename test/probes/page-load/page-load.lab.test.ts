import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Outcome } from '#probes/probe.ts';
import { createRouterChain, type RouterChain } from '../path/router-chain.ts';

describe('page load in a network of its own', () => {
  let chain: RouterChain;
  beforeAll(async () => {
    chain = await createRouterChain(1);
    // Whatever is not for loopback leaves by here, or at least tries to.
    await chain.inside(0, 'ip', 'route', 'add', 'default', 'via', '10.77.0.2');
    await chain.inside(0, 'ip', '-6', 'route', 'add', 'default', 'via', 'fd77:1::2');
  });
  afterAll(() => chain.remove());

  it('contacts no one but the page, neither while it loads nor while it waits', async () => {
    await chain.filterOutput(0, 'oifname "right" meta l4proto { tcp, udp } counter');
    const script = fileURLToPath(new URL('./serve-and-load.ts', import.meta.url));
    const { stdout } = await chain.inside(
      0,
      process.execPath,
      '--import',
      'tsx',
      script,
      JSON.stringify({ runs: 3, idleMs: 20_000 }),
    );
    const outcomes = JSON.parse(stdout) as Outcome<'page-load'>[];
    expect(outcomes.map(({ failure }) => failure)).toEqual([null, null, null]);
    const { stdout: rules } = await chain.inside(0, 'nft', 'list ruleset');
    expect(rules).toMatch(/counter packets 0 bytes 0/);
  });
});
