import { host, link, router, site } from './pieces.ts';
import type { LabLink, Topology } from './topology.ts';

/**
 * Three sites with three devices each, providers of three routers, two exchanges, and a backbone
 * that shares its load over four equal paths.
 *
 *   a1–a3 ─ apa ─ gwa ─ ia1 ─ ia2 ─ ia3 ┐         ┌ q1 ┐
 *   b1–b3 ─ apb ─ gwb ─ ib1 ─ ib2 ─ ib3 ┴ x1 ─ p1 ┼ q2 ┼ p2 ─ d ─ s1 s2 s3
 *   c1–c3 ─ apc ─ gwc ─ ic1 ─ ic2 ─ ic3 ─ x2 ─ ┘  ├ q3 ┤
 *                  x1: e1 nsp tp col cgw ─ w1     └ q4 ┘   x2: e2
 */
export const large: Topology = {
  name: 'large',
  nodes: [
    ...(['a', 'b', 'c'] as const).flatMap((letter, index) =>
      site({
        letter,
        number: 10 * (index + 1),
        asn: 64_601 + index,
        deviceCount: 3,
        routerCount: 3,
      }),
    ),
    router('x1', 40, 'near exchange', 64_610),
    router('x2', 41, 'far exchange', 64_611),
    router('p1', 42, 'backbone, near end', 64_620),
    router('q1', 43, 'backbone, first of four paths', 64_620),
    router('q2', 44, 'backbone, second of four paths', 64_620),
    router('q3', 45, 'backbone, third of four paths', 64_620),
    router('q4', 46, 'backbone, fourth of four paths', 64_620),
    router('p2', 47, 'backbone, far end', 64_620),
    router('d', 48, 'border router of the hosting', 64_630),
    host('e1', 51, 'edge', 'near edge', { asn: 64_640, names: ['e1.edge.test'] }),
    host('e2', 52, 'edge', 'far edge', { asn: 64_640, names: ['e2.edge.test'] }),
    host('s1', 61, 'server', 'server of the CRM', { asn: 64_630, names: ['crm.saas.test'] }),
    host('s2', 62, 'server', 'server of the documents', { asn: 64_630, names: ['docs.saas.test'] }),
    host('s3', 64, 'server', 'server of the mail', { asn: 64_630, names: ['mail.saas.test'] }),
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
    ...siteLinks('a', 'x1', { accessMs: 4, rateMbits: { fromA: 20, fromB: 60 } }),
    ...siteLinks('b', 'x1', { accessMs: 9, rateMbits: { fromA: 10, fromB: 40 } }),
    ...siteLinks('c', 'x2', { accessMs: 6, rateMbits: { fromA: 40, fromB: 100 } }),
    link('x1', 'x2', 9),
    link('x1', 'e1', 0.8),
    link('x2', 'e2', 0.8),
    link('x1', 'p1', 3),
    link('x2', 'p1', 8),
    link('e1', 'p1', 2.5),
    ...['q1', 'q2', 'q3', 'q4'].flatMap((path) => [link('p1', path, 5), link(path, 'p2', 2)]),
    link('p2', 'd', 1),
    link('d', 's1', 0.4),
    link('d', 's2', 0.4),
    link('d', 's3', 0.4),
    link('x1', 'tp', 3),
    link('x1', 'nsp', 0.5),
    link('x1', 'col', 1),
    { ...link('x1', 'cgw', 6), rateMbits: { fromA: 50, fromB: 50 } },
    link('cgw', 'w1', 0.3),
  ],
  reachableOnlyFrom: { cgw: ['e1', 'e2'] },
};

function siteLinks(
  letter: string,
  exchange: string,
  access: { accessMs: number; rateMbits: { fromA: number; fromB: number } },
): LabLink[] {
  const [ap, gw] = [`ap${letter}`, `gw${letter}`];
  const [i1, i2, i3] = [`i${letter}1`, `i${letter}2`, `i${letter}3`];
  return [
    { ...link(`${letter}1`, ap, 1), jitterMs: 0.3 },
    link(`${letter}2`, ap, 0.2),
    link(`${letter}3`, ap, 0.2),
    link(ap, gw, 0.1),
    { ...link(gw, i1, access.accessMs), rateMbits: access.rateMbits },
    link(i1, i2, 2),
    link(i2, `ns${letter}`, 0.5),
    link(i2, i3, 1),
    link(i3, exchange, 1),
  ];
}
