import { host, link, router, site } from './pieces.ts';
import type { Topology } from './topology.ts';

/**
 * Two sites, two access providers, an exchange with a near and a far edge, transit with two equal
 * paths, two SaaS servers, a third-party host and a private application.
 *
 *   a1 a2 ─ apa ─ gwa ─ ia1 ─ ia2 ┐      ┌ e1 ────┐        ┌ t2 ─┐    ┌ s1
 *                          nsa ─┘ ├─ ix ─┼─────── t1 ──────┤     ├─ d ┤
 *   b1 b2 ─ apb ─ gwb ─ ib1 ─ ib2 ┘  │   └ far ─ e2┘       └ t2b ┘    └ s2
 *                          nsb ─┘    ├ nsp, col, tp
 *                                    └ cgw ─ w1
 *
 * Public addresses are from 11.0.0.0/8 and 3ffe::/16: edges rightly refuse the ranges reserved for
 * documentation and benchmarks (RFC 6890), and no namespace of the lab has a way out.
 */
export const twoSites: Topology = {
  name: 'two-sites',
  nodes: [
    ...site({ letter: 'a', number: 10, asn: 64_601 }),
    ...site({ letter: 'b', number: 20, asn: 64_602 }),
    router('ix', 30, 'internet exchange', 64_610),
    router('far', 31, 'router before the far edge', 64_611),
    router('t1', 41, 'transit router 1', 64_620),
    router('t2', 42, 'transit router 2, upper path', 64_620),
    router('t2b', 43, 'transit router 2, lower path', 64_620),
    router('d', 44, 'border router of the hosting', 64_630),
    host('e1', 51, 'edge', 'near edge', { asn: 64_640, names: ['e1.edge.test'] }),
    host('e2', 52, 'edge', 'far edge', { asn: 64_640, names: ['e2.edge.test'] }),
    host('s1', 61, 'server', 'server of the CRM', { asn: 64_630, names: ['crm.saas.test'] }),
    host('s2', 62, 'server', 'server of the documents', { asn: 64_630, names: ['docs.saas.test'] }),
    host('tp', 63, 'server', 'third-party host of scripts', {
      asn: 64_650,
      names: ['cdn.third.test'],
    }),
    host('col', 70, 'collector', 'collector', { asn: 64_660, names: ['collector.lab.test'] }),
    host('nsp', 73, 'name-server', 'resolver of the edges', { asn: 64_610 }),
    router('cgw', 80, 'border router of the private network', 64_670),
    {
      name: 'w1',
      role: 'server',
      what: 'server of the private wiki',
      asn: 64_670,
      address4: '10.50.0.10',
      address6: 'fd50::10',
      names: ['wiki.corp.test'],
      resolver: 'nsp',
    },
  ],
  links: [
    { ...link('a1', 'apa', 1), jitterMs: 0.3 },
    link('a2', 'apa', 0.2),
    link('apa', 'gwa', 0.1),
    { ...link('gwa', 'ia1', 4), rateMbits: { fromA: 20, fromB: 60 } },
    link('ia1', 'ia2', 2),
    link('ia2', 'nsa', 0.5),
    link('ia2', 'ix', 1.5),
    link('b1', 'apb', 0.2),
    { ...link('b2', 'apb', 1), jitterMs: 0.3 },
    link('apb', 'gwb', 0.1),
    { ...link('gwb', 'ib1', 9), rateMbits: { fromA: 10, fromB: 40 } },
    link('ib1', 'ib2', 2.5),
    link('ib2', 'nsb', 0.5),
    link('ib2', 'ix', 2),
    link('ix', 'e1', 0.8),
    link('ix', 'far', 16),
    link('far', 'e2', 1.5),
    link('ix', 't1', 3),
    link('e1', 't1', 2.5),
    link('e2', 't1', 15),
    link('far', 't1', 14),
    link('t1', 't2', 5),
    link('t1', 't2b', 5),
    link('t2', 'd', 2),
    link('t2b', 'd', 2),
    link('d', 's1', 0.4),
    link('d', 's2', 0.4),
    link('ix', 'tp', 3),
    link('ix', 'nsp', 0.5),
    link('ix', 'col', 1),
    { ...link('ix', 'cgw', 6), rateMbits: { fromA: 50, fromB: 50 } },
    link('cgw', 'w1', 0.3),
  ],
  reachableOnlyFrom: { cgw: ['e1', 'e2'] },
};
