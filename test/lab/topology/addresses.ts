import { behindBorder, createGraph, type Graph, linkId } from './graph.ts';
import type { LabLink, LabNode, Topology } from './topology.ts';

/** One end of a link. */
export type LabInterface = {
  node: string;
  /** Node at the other end of the wire, maybe a switch. */
  towards: string;
  name: string;
  linkId: string;
  mac: string;
  /** null at a switch. */
  address4: string | null;
  address6: string | null;
  prefixLength4: number;
  prefixLength6: number;
};

export type AddressPlan = {
  interfaces: readonly LabInterface[];
  interfaceOf(node: string, towards: string): LabInterface;
  /** Addresses that live on `lo`: of every node with links of its own. */
  loopback(node: string): { address4: string; address6: string } | null;
  /** All of a node, the one it is reached at first. */
  addressesOf(node: string): string[];
  nodeOf(address: string): string | undefined;
};

/** The end of a link in a node's namespace, named for where it goes. */
export const interfaceName = (towards: string): string => `to-${towards}`;

/**
 * Links between routers get a pair of addresses each: 11.1.0.0/16 by /30 and 3ffe:ffff::/32 by /64,
 * those of private networks 10.254.0.0/16 and fdfe::/32. Behind a switch nodes have their own
 * address on the wire.
 */
export const planAddresses = (topology: Topology): AddressPlan => {
  const graph = createGraph(topology);
  const isPrivate = privateLinks(topology, graph);
  const interfaces = topology.links.flatMap((link, index) =>
    interfacesOfLink({ link, index, graph, isPrivate }),
  );
  const onLan = new Set(
    interfaces
      .filter(({ address4, prefixLength4 }) => address4 !== null && prefixLength4 === lanLength4)
      .map(({ node }) => node),
  );
  const loopback = (name: string) => {
    const { role, address4, address6 } = graph.node(name);
    return role === 'switch' || onLan.has(name) ? null : { address4, address6 };
  };
  const addressesOf = (name: string): string[] => {
    const { address4, address6 } = graph.node(name);
    const wires = interfaces.filter(({ node }) => node === name);
    const all = [address4, address6, ...wires.flatMap((wire) => [wire.address4, wire.address6])];
    return [...new Set(all)].filter((address) => address !== null && address !== '') as string[];
  };
  const owners = new Map(
    topology.nodes.flatMap(({ name }) =>
      addressesOf(name).map((address) => [canonical(address), name] as const),
    ),
  );
  const byEnds = new Map(interfaces.map((end) => [`${end.node} ${end.towards}`, end]));
  return {
    interfaces,
    interfaceOf(node, towards) {
      const found = byEnds.get(`${node} ${towards}`);
      if (found === undefined) throw new Error(`no link from ${node} to ${towards}`);
      return found;
    },
    loopback,
    addressesOf,
    nodeOf: (address) => owners.get(canonical(address)),
  };
};

export const lanLength4 = 24;
export const linkLength4 = 30;

/** `address` with everything after the prefix set to zero. */
export const prefixOf = (address: string, length: number): string => {
  if (address.includes(':')) {
    const url = canonical(address);
    const groups = expand(url).slice(0, length / 16);
    return `${canonical(`${groups.join(':')}::`)}/${length}`;
  }
  const bits = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - length);
  const base = Math.floor(bits / size) * size;
  return `${[24, 16, 8, 0].map((shift) => Math.floor(base / 2 ** shift) % 256).join('.')}/${length}`;
};

/** The one way of writing an IPv6 address (RFC 5952); IPv4 stays. */
export const canonical = (address: string): string =>
  address.includes(':') ? new URL(`http://[${address}]/`).hostname.slice(1, -1) : address;

const expand = (address: string): string[] => {
  const [head = '', tail] = address.split('::');
  const before = head === '' ? [] : head.split(':');
  if (tail === undefined) return before;
  const after = tail === '' ? [] : tail.split(':');
  return [...before, ...Array<string>(8 - before.length - after.length).fill('0'), ...after];
};

/** Links of a site's inside, and into a network that only some may reach, have private addresses. */
const privateLinks = (topology: Topology, graph: Graph): ((link: LabLink) => boolean) => {
  const hidden = new Set(
    Object.keys(topology.reachableOnlyFrom ?? {}).flatMap((border) => [
      ...behindBorder(topology, graph, border),
    ]),
  );
  return ({ a, b }) =>
    hidden.has(a) || hidden.has(b) || (graph.node(a).asn === 0 && graph.node(b).asn === 0);
};

const interfacesOfLink = (parts: {
  link: LabLink;
  index: number;
  graph: Graph;
  isPrivate(link: LabLink): boolean;
}): LabInterface[] => {
  const { link, index, graph, isPrivate } = parts;
  const [a, b] = [graph.node(link.a), graph.node(link.b)];
  const behindSwitch = a.role === 'switch' || b.role === 'switch';
  const hidden = isPrivate(link);
  const end = (node: LabNode, towards: LabNode, host: 1 | 2): LabInterface => ({
    node: node.name,
    towards: towards.name,
    name: interfaceName(towards.name),
    linkId: linkId(link),
    mac: `02:77:00:${hex(index >> 8)}:${hex(index & 255)}:${hex(host)}`,
    ...(behindSwitch
      ? {
          address4: node.role === 'switch' ? null : node.address4,
          address6: node.role === 'switch' ? null : node.address6,
          prefixLength4: lanLength4,
        }
      : {
          address4: `${hidden ? '10.254' : '11.1'}.${index >> 6}.${(index & 63) * 4 + host}`,
          address6: canonical(
            `${hidden ? 'fdfe:0' : '3ffe:ffff'}:${(index + 1).toString(16)}::${host}`,
          ),
          prefixLength4: linkLength4,
        }),
    prefixLength6: 64,
  });
  return [end(a, b, 1), end(b, a, 2)];
};

const hex = (byte: number): string => byte.toString(16).padStart(2, '0');
