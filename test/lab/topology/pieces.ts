import type { LabLink, LabNode } from './topology.ts';

/**
 * What networks are put together from. Number N of a node is its address, 11.0.N.1 and 3ffe:0:N::1:
 * edges rightly refuse the ranges reserved for documentation and benchmarks (RFC 6890), and no
 * namespace of the lab has a way out.
 */
export const router = (name: string, number: number, what: string, asn: number): LabNode => ({
  name,
  role: 'router',
  what,
  asn,
  ...addresses(number),
});

export const host = (
  name: string,
  number: number,
  role: LabNode['role'],
  what: string,
  more: { asn: number; names?: readonly string[] },
): LabNode => ({
  name,
  role,
  what,
  ...addresses(number),
  ...(role === 'name-server' ? {} : { resolver: 'nsp' }),
  ...more,
});

export const link = (a: string, b: string, delayMs: number): LabLink => ({ a, b, delayMs });

/** Devices, their switch and gateway, and the routers and the resolver of their provider. */
export const site = (options: {
  letter: string;
  number: number;
  asn: number;
  deviceCount?: number;
  routerCount?: number;
}): LabNode[] => {
  const { letter, number, asn, deviceCount = 2, routerCount = 2 } = options;
  const place = `site ${letter.toUpperCase()}`;
  const isp = `ISP ${letter.toUpperCase()}`;
  const resolver = `ns${letter}`;
  const inside = (host: number) => ({
    asn: 0,
    address4: `192.168.${number}.${host}`,
    address6: `3ffe:${number}:1::${host}`,
  });
  const places = ['access', 'core', 'border'];
  return [
    ...upTo(deviceCount).map(
      (index): LabNode => ({
        name: `${letter}${index}`,
        role: 'device',
        what: `device ${index} at ${place}`,
        ...inside(10 + index),
        resolver,
      }),
    ),
    {
      name: `ap${letter}`,
      role: 'switch',
      what: `switch and access point of ${place}`,
      asn: 0,
      address4: '',
      address6: '',
    },
    { name: `gw${letter}`, role: 'gateway', what: `gateway of ${place}`, ...inside(1) },
    ...upTo(routerCount).map((index) =>
      router(`i${letter}${index}`, number + index, `${places[index - 1]} router of ${isp}`, asn),
    ),
    host(resolver, number + routerCount + 1, 'name-server', `resolver of ${isp}`, { asn }),
  ];
};

const addresses = (number: number) => ({
  address4: `11.0.${number}.1`,
  address6: `3ffe:0:${number}::1`,
});

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);
