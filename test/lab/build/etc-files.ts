import { mkdirSync, writeFileSync } from 'node:fs';
import type { Topology } from '../topology/topology.ts';
import { etcFolder, namespaceName } from './names.ts';

/** What programs in a namespace find in /etc instead of the machine's. */
export const writeEtcFiles = (lab: string, topology: Topology): void => {
  const addresses = new Map(topology.nodes.map(({ name, address4 }) => [name, address4]));
  for (const { name, resolver } of topology.nodes) {
    const folder = etcFolder(namespaceName(lab, name));
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    writeFileSync(`${folder}/resolv.conf`, resolverFile(resolver && addresses.get(resolver)));
    writeFileSync(`${folder}/hosts`, `127.0.0.1 localhost ${name}\n::1 localhost\n`);
  }
};

const resolverFile = (address: string | undefined): string =>
  address === undefined
    ? '# This node resolves nothing.\n'
    : `nameserver ${address}\noptions timeout:2 attempts:2\n`;
