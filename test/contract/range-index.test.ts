import { BlockList } from 'node:net';
import { expect, it } from 'vitest';
import { addRange, isInList } from '#contract/host-pattern.ts';
import { createRangeIndex } from '#contract/range-index.ts';

const ranges = [
  ...['11.0.0.0/8', '11.1.0.0/16', '11.1.1.7', '0.0.0.0/0', '255.255.255.255/32', '12.0.0.0/9'],
  ...[
    '::/0',
    '2600::/12',
    '2600:1::/32',
    '2600:1::9',
    'fe80::/10',
    '::ffff:13.0.0.0/104',
    '[2600:2::/48]',
  ],
];
const addresses = [
  ...['11.0.0.1', '11.1.1.7', '11.1.1.8', '12.127.255.255', '12.128.0.0', '255.255.255.255'],
  ...[
    '13.0.0.1',
    '::ffff:11.1.1.7',
    '::ffff:b01:107',
    '::',
    '::1',
    '2600:1::9',
    '2600:1:0:0:0:0:0:9',
  ],
  ...['260f:ffff::', '2610::', 'febf::1', 'fec0::1', '2600:2::1', '2600:2:1::'],
];

it('finds what a list of all ranges one by one finds', () => {
  // Node lets `::/0` hold IPv4 addresses, as it does every range of IPv4-mapped ones.
  const index = createRangeIndex<string>();
  for (const range of ranges) expect([range, index.add(range, range)]).toEqual([range, true]);
  for (const address of addresses) {
    const alone = ranges.filter((range) => {
      const list = new BlockList();
      addRange(list, range);
      return isInList(list, address);
    });
    expect([address, index.find(address).sort()]).toEqual([address, alone.sort()]);
  }
});

it('takes nothing that is no range', () => {
  const index = createRangeIndex<string>();
  for (const text of [
    '',
    'a.test',
    '11.0.0.0/33',
    '11.0.0.0/-1',
    '::/129',
    '11.0.0/8',
    '11.0.0.0/8/8',
  ]) {
    expect([text, index.add(text, text)]).toEqual([text, false]);
    expect(index.find(text)).toEqual([]);
  }
});
