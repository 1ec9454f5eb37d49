import { isIP } from 'node:net';
import { parseTrafficRule } from '#contract/forwarding.ts';
import type { ForwardingPolicy } from '#contract/policy.ts';
import { addressBytes, addressText } from '#runtime/ip-packet.ts';
import { excludedByDefault } from '../forwarding/traffic-selection.ts';

/** `from-to`, as nft writes an interval. */
export type DirectRanges = { four: string[]; six: string[] };

/**
 * Which addresses go direct, for rules of the kernel, which cannot ask for every packet. The policy's
 * own decision is asked once between any two ends of its ranges: in between it cannot change.
 */
export const directRanges = (
  policy: ForwardingPolicy,
  isDirect: (address: string) => boolean,
): DirectRanges => {
  const prefixes = prefixesOf(policy);
  return {
    four: rangesOf(prefixes, 4, isDirect),
    six: rangesOf(prefixes, 16, isDirect),
  };
};

type Prefix = { address: Buffer; prefixBits: number };

/** Every range of addresses that the policy says something about. */
const prefixesOf = (policy: ForwardingPolicy): Prefix[] => {
  const { include = [], exclude = [] } = policy.traffic?.addresses ?? {};
  const patterns = [
    ...policy.bypass,
    ...(policy.identityProviders ?? []),
    ...(policy.vpnGateways ?? []),
    ...(policy.enforcement?.allow ?? []),
    ...(policy.privateHosts ?? []),
    ...excludedByDefault,
  ];
  return [...patterns.flatMap(prefixOfPattern), ...[...include, ...exclude].flatMap(prefixOfRule)];
};

/** Names say nothing about a packet. */
const prefixOfPattern = (pattern: string): Prefix[] => {
  const [text = '', bits] = pattern.replace(/^\[(.*)\]$/, '$1').split('/');
  if (isIP(text) === 0 || text.includes('%')) return [];
  const address = addressBytes(text);
  return [{ address, prefixBits: bits === undefined ? 8 * address.length : Number(bits) }];
};

const prefixOfRule = (text: string): Prefix[] => {
  const rule = parseTrafficRule(text);
  return 'mistake' in rule ? [] : [{ ...rule, address: addressBytes(rule.address) }];
};

const rangesOf = (
  prefixes: readonly Prefix[],
  length: 4 | 16,
  isDirect: (address: string) => boolean,
): string[] => {
  const end = 1n << BigInt(8 * length);
  const edges = new Set([0n]);
  for (const { address, prefixBits } of prefixes) {
    if (address.length !== length) continue;
    const hostBits = BigInt(8 * length - prefixBits);
    const from = (BigInt(`0x${address.toString('hex')}`) >> hostBits) << hostBits;
    edges.add(from);
    edges.add(from + (1n << hostBits));
  }
  edges.delete(end);
  const starts = [...edges].sort((a, b) => (a < b ? -1 : 1));
  const ranges: { from: bigint; to: bigint }[] = [];
  for (const [i, from] of starts.entries()) {
    if (!isDirect(textOf(from, length))) continue;
    const to = (starts[i + 1] ?? end) - 1n;
    const before = ranges.at(-1);
    if (before && before.to + 1n === from) before.to = to;
    else ranges.push({ from, to });
  }
  return ranges.map(({ from, to }) => `${textOf(from, length)}-${textOf(to, length)}`);
};

const textOf = (value: bigint, length: 4 | 16): string =>
  addressText(Buffer.from(value.toString(16).padStart(2 * length, '0'), 'hex'));
