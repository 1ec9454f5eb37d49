import { interfaceName } from '../../topology/addresses.ts';
import { checkDirection, type Doer, endsOf, must } from './doer.ts';
import { beforeShim, putTable, removeTable } from './filter.ts';

const usualBytes = 1_500;
/** RFC 8200 section 5: below it the kernel takes IPv6 off the interface, addresses and routes too. */
const leastBytes = 1_280;

const tableOf = (towards: string): string => `whyslow_mtu_to_${towards}`;

/** A narrow place, and one that does not say so. */
export const mtuDoer: Doer<'mtu'> = {
  changes: ({ direction }) => `the MTU of ${direction}`,
  check(lab, { direction, bytes }) {
    checkDirection(lab, direction);
    if (bytes < leastBytes) throw new Error(`an MTU of ${bytes}: ${leastBytes} is the least`);
  },
  async apply(lab, { direction, bytes, silent }) {
    const { node, towards } = endsOf(direction);
    if (silent) {
      await putTable(lab, node, tableOf(towards), [
        `chain says { type filter hook output priority ${beforeShim};`,
        'icmp type destination-unreachable icmp code frag-needed drop',
        'icmpv6 type packet-too-big drop',
        '}',
      ]);
    }
    await setMtu(lab, node, towards, bytes);
  },
  async undo(lab, { direction }) {
    const { node, towards } = endsOf(direction);
    await setMtu(lab, node, towards, usualBytes);
    await removeTable(lab, node, tableOf(towards));
  },
};

const setMtu = (lab: Parameters<typeof must>[0], node: string, towards: string, bytes: number) =>
  must(lab, node, 'ip', ['link', 'set', 'dev', interfaceName(towards), 'mtu', String(bytes)]);
