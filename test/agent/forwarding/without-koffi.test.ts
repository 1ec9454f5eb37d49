import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { startChildScript } from '#test/support/child-script.ts';

it('without koffi the proxies and the tunnel carry, and what is missing is told', async () => {
  const child = startChildScript(fileURLToPath(new URL('./without-koffi.ts', import.meta.url)), []);
  const told = JSON.parse(await child.line()) as unknown;
  expect(await child.ended()).toBe(0);
  expect(told).toEqual({
    hasLibc: false,
    http: 'from the origin',
    socks: 'from the origin',
    decisions: { tunnel: 2, direct: 0, refused: 0 },
    degradations: ['TCP_NOTSENT_LOWAT not set: no koffi for this system'],
  });
});
