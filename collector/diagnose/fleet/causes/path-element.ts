import type { CauseElement } from '#contract/verdict.ts';
import type { ChainNode } from '../network/chain.ts';
import { type About, type Claim, commonPenaltyNats, type Span } from '../network/claim.ts';
import { behindHere, type UnitSlots } from '../network/slots.ts';
import type { Path, Unit } from '../network/unit.ts';

/** Each member that a union picks out of the neighbours pays for having been picked. */
const unionMemberNats = { node: 2, network: 3.5 };

/**
 * Stretches between two hops that follow each other (`pair`), hops whatever came before (`in`), and
 * whatever comes after (`out`). The last two stand for what is hidden: a common link behind different
 * hops splits into many pairs, and a wrong but broad neighbour would win.
 */
export const pathElementClaims = (unit: Unit): Claim[] => {
  const claims: Claim[] = [];
  for (const path of unit.paths) {
    let before: ChainNode | undefined;
    for (const node of path.nodes) {
      if (before === undefined) {
        if (path.leg !== 'onward') claims.push(new StretchClaim('in', path, before, node));
      } else {
        claims.push(
          new StretchClaim('pair', path, before, node),
          new StretchClaim('in', path, before, node),
          new StretchClaim('out', path, before, node),
        );
      }
      before = node;
    }
  }
  return claims;
};

/** Every device has dozens, and of nearly all only the key is ever read: no closures for each. */
class StretchClaim implements Claim {
  readonly key: string;
  readonly #sort: 'pair' | 'in' | 'out';
  readonly #path: Path;
  readonly #before: ChainNode | undefined;
  readonly #node: ChainNode;

  constructor(
    sort: 'pair' | 'in' | 'out',
    path: Path,
    before: ChainNode | undefined,
    node: ChainNode,
  ) {
    this.#sort = sort;
    this.#path = path;
    this.#before = before;
    this.#node = node;
    this.key =
      sort === 'in'
        ? `in:${node.key}`
        : sort === 'out'
          ? `out:${before?.key}`
          : `pair:${before?.key}>${node.key}`;
  }

  about(): About {
    const before = this.#before;
    if (before === undefined || this.#sort === 'in') return aboutNode(this.#node, this.#path);
    return this.#sort === 'pair'
      ? aboutPair(before, this.#node, this.#path)
      : aboutBehind(before, this.#path);
  }

  mask(slots: UnitSlots): readonly number[] {
    return behindHere(slots, this.#path, this.#node.ttl);
  }
}

/** Hop `key`, and the one before it where there is one. */
const at = (path: Path, key: string): { before: ChainNode | null; node: ChainNode } | null => {
  const index = path.nodes.findIndex((node) => node.key === key);
  const node = path.nodes[index];
  return node === undefined ? null : { before: path.nodes[index - 1] ?? null, node };
};

const pairCrossed = (path: Path, from: string, to: string): Span | null => {
  const found = at(path, to);
  return found?.before?.key === from ? { from: found.before, to: found.node } : null;
};

const nodeCrossed = (path: Path, key: string): Span | null => {
  const found = at(path, key);
  const begins = path.leg === 'onward' && found?.before === null;
  return found === null || begins ? null : { from: found.before, to: found.node };
};

const behindCrossed = (path: Path, key: string): Span | null => {
  const index = path.nodes.findIndex((node) => node.key === key);
  const next = index < 0 ? undefined : path.nodes[index + 1];
  return next === undefined ? null : { from: path.nodes[index] as ChainNode, to: next };
};

const scopeOf = (path: Path, node: ChainNode) =>
  node.key.startsWith('front:') && path.leg === 'onward'
    ? ('front-end' as const)
    : ('network' as const);

const aboutPair = (from: ChainNode, to: ChainNode, path: Path): About => ({
  family: 'link',
  scope: scopeOf(path, to),
  elementId: `>${to.key}`,
  element: spanElement({ from, to }, 0),
  penaltyNats: commonPenaltyNats,
  rank: 2,
  crosses: (_, path) => pairCrossed(path, from.key, to.key),
});

const aboutNode = (node: ChainNode, path: Path): About => ({
  family: 'router',
  scope: scopeOf(path, node),
  elementId: `>${node.key}`,
  element: nodeElement(node, `at or just before ${nameOf(node)}`),
  penaltyNats: commonPenaltyNats,
  rank: 3,
  crosses: (_, path) => nodeCrossed(path, node.key),
});

const aboutBehind = (node: ChainNode, path: Path): About => ({
  family: 'router',
  scope: scopeOf(path, node),
  elementId: `${node.key}>`,
  element: nodeElement(node, `at or just behind ${nameOf(node)}`),
  penaltyNats: commonPenaltyNats,
  rank: 4,
  crosses: (_, path) => behindCrossed(path, node.key),
});

/** Those of the stretches into one hop on which that hop is slow itself. */
export const aboutSomeInto = (
  node: ChainNode,
  fromKeys: ReadonlySet<string>,
  count: number,
): About => ({
  family: 'router',
  scope: 'network',
  elementId: `>${node.key}`,
  element: nodeElement(node, `at or just before ${nameOf(node)}`),
  penaltyNats: commonPenaltyNats + unionMemberNats.node * (count - 1),
  rank: 5,
  crosses: (_, path) => {
    const span = nodeCrossed(path, node.key);
    return span !== null && fromKeys.has(span.from?.key ?? '') ? span : null;
  },
});

/** Slow stretches into one network that are slow alike: something inside it that no hop shows. */
export const aboutNetwork = (asn: number, pairs: ReadonlySet<string>, count: number): About => ({
  family: 'as',
  scope: 'network',
  elementId: `as:${asn}`,
  element: {
    id: `AS${asn}`,
    name: `network AS ${asn}`,
    from: null,
    to: null,
    asn,
    silentHopCount: 0,
  },
  penaltyNats: commonPenaltyNats + unionMemberNats.network * (count - 1),
  rank: 6,
  crosses: (_, path) => {
    for (const [index, to] of path.nodes.entries()) {
      const from = path.nodes[index - 1] ?? null;
      if (pairs.has(`${from?.key ?? ''}>${to.key}`)) return { from, to };
    }
    return null;
  },
});

const nodeElement = (node: ChainNode, name: string): CauseElement => ({
  id: (node.address ?? node.key).slice(0, 200),
  name: name.slice(0, 300),
  from: null,
  to: node.address,
  asn: node.asn,
  silentHopCount: 0,
});

const nameOf = (node: ChainNode): string =>
  node.asn === null ? node.name : `${node.name} (AS ${node.asn})`;

/** A stretch for people, with both networks where it crosses from one into the other. */
export const spanElement = ({ from, to }: Span, silentHopCount: number): CauseElement => {
  const asn = to?.asn ?? from?.asn ?? null;
  const silent = silentHopCount === 0 ? '' : `, ${silentHopCount} silent in between`;
  const name = `between ${ofNode(from)} and ${ofNode(to)}${networks(from, to)}${silent}`;
  return {
    id: `${from?.address ?? from?.key ?? ''}>${to?.address ?? to?.key ?? ''}`.slice(0, 200),
    name: name.slice(0, 300),
    from: placeOf(from),
    to: placeOf(to),
    asn,
    silentHopCount,
  };
};

/** Its address; an edge that no trace has reached goes by its key. */
const placeOf = (node: ChainNode | null): string | null =>
  node === null ? null : (node.address ?? node.key).slice(0, 64);

const ofNode = (node: ChainNode | null): string => node?.name ?? 'the site';

const networks = (from: ChainNode | null, to: ChainNode | null): string => {
  const [a, b] = [from?.asn ?? null, to?.asn ?? null];
  if (a !== null && b !== null && a !== b) return ` (AS ${a} to AS ${b})`;
  const only = b ?? a;
  return only === null ? '' : ` (AS ${only})`;
};

/** A longer stretch is named by its networks alone. */
export const longestSpan = 4;
