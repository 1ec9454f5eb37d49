import { link, router } from './pieces.ts';
import type { Topology } from './topology.ts';

/** Device `h`, routers `r1`, `r2` and so on, server `t`; no delays of their own. */
export const chain = (routerCount: number): Topology => {
  const routers = Array.from({ length: routerCount }, (_, index) => `r${index + 1}`);
  const all = ['h', ...routers, 't'];
  return {
    name: `chain-${routerCount}`,
    nodes: all.map((name, index) => ({
      ...router(name, index + 1, `number ${index} of a chain`, 64_700),
      role: name === 'h' ? 'device' : name === 't' ? 'server' : 'router',
    })),
    links: all.slice(1).map((name, index) => link(all[index] ?? '', name, 0)),
  };
};
