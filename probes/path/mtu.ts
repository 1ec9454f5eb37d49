import type { MtuAnswer, PathAnswer } from './messages.ts';
import { type Family, familyOf } from './packet.ts';
import type { Flow } from './sockets/network.ts';

/** Sizes with the IP header. What every network carries: RFC 791 §3.1 (as hosts go), RFC 8200 §5. */
const leastBytes = { 4: 576, 6: 1_280 } as const satisfies Record<Family, number>;
/** Ethernet's: what the way out of nearly every device carries. */
const mostBytes = 1_500;
const hops = 64;
/** A size that was not answered is asked again: one lost packet is no hole. */
const tries = 3;

/**
 * The largest packet that passes unfragmented, by a binary search that a router's word shortens:
 * at most 12 sizes and 36 packets. A hole is where a large packet vanishes `tries` times and
 * nobody says that it was too big, while small ones are answered.
 */
export const searchMtu = async (
  address: string,
  flow: Pick<Flow, 'probe'>,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<MtuAnswer> => {
  const nothing: MtuAnswer = { bytes: null, blackHole: false, toldBy: null };
  const least = leastBytes[familyOf(address)];
  const small = await ask(flow, least, timeoutMs, signal);
  if (small.kind !== 'target') return nothing;
  const waitMs = Math.min(timeoutMs, Math.max(200, 4 * small.rttMs));

  let passes: number = least;
  let fails = mostBytes + 1;
  let next = mostBytes;
  let toldBy: string | null = null;
  let isSilent = false;
  while (fails - passes > 1) {
    const answer = await ask(flow, next, waitMs, signal);
    if (signal.aborted) return nothing;
    if (answer.kind === 'target') passes = next;
    else {
      fails = next;
      isSilent = answer.kind === 'silent';
      if (answer.kind === 'too-big' && answer.mtu > 0) toldBy = answer.address;
    }
    const told = answer.kind === 'too-big' && answer.mtu > passes && answer.mtu < fails;
    next = told ? answer.mtu : Math.floor((passes + fails) / 2);
    // What a router said is right as soon as it passes: nothing larger needs asking.
    if (answer.kind === 'target' && toldBy !== null && !isSilent) break;
  }
  return { bytes: passes, blackHole: isSilent, toldBy };
};

type SizeAnswer =
  | { kind: 'target'; rttMs: number }
  | { kind: 'too-big'; address: string; mtu: number }
  /** This machine's own interface does not take it. */
  | { kind: 'local' }
  | { kind: 'silent' };

const ask = async (
  flow: Pick<Flow, 'probe'>,
  bytes: number,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<SizeAnswer> => {
  for (let attempt = 0; attempt < tries && !signal.aborted; attempt += 1) {
    const answer: PathAnswer | null = await flow.probe(hops, timeoutMs, bytes);
    if (answer === null) continue;
    if (answer.kind === 'target') return { kind: 'target', rttMs: answer.rttMs };
    if (answer.kind === 'too-big') return answer;
    if (answer.kind === 'unsent') return { kind: 'local' };
  }
  return { kind: 'silent' };
};
