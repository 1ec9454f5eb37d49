import { randomBytes } from 'node:crypto';
import { testLabName } from '#test/lab/build/lab-name.ts';
import { type Lab, raiseLab } from '#test/lab/lab.ts';
import { chain } from '#test/lab/topology/chain.ts';

/** A device `h`, routers `r1` to `rN` and a server `t`, and what a path through them looks like. */
export const raiseChain = async (routerCount: number) => {
  const topology = chain(routerCount);
  const lab = await raiseLab({ topology, name: testLabName(), services: false, shim: false });
  const names = topology.nodes.map(({ name }) => name);
  const hops = names.slice(1);
  const [target4 = '', target6 = ''] = lab.addressesOf('t');
  /** What a hop answers with: routers with the end of their link towards the device. */
  const answersOf = (hop: string, index: number) => lab.linkAddresses(hop, names[index] ?? '');
  return {
    lab,
    target4,
    target6,
    hops4: [...hops.slice(0, -1).map((hop, index) => answersOf(hop, index).address4), target4],
    hops6: [...hops.slice(0, -1).map((hop, index) => answersOf(hop, index).address6), target6],
    run: (node: string, command: string, ...args: string[]) => run(lab, node, command, args),
    /** Adds one rule to the output chain of a node; the returned function takes it away. */
    async filterOutput(node: string, rule: string) {
      const table = `inet t${randomBytes(3).toString('hex')}`;
      const hook = 'out { type filter hook output priority 0; }';
      await run(lab, node, 'nft', [`add table ${table}; add chain ${table} ${hook}`]);
      await run(lab, node, 'nft', [`add rule ${table} out ${rule}`]);
      return async () => void (await run(lab, node, 'nft', [`delete table ${table}`]));
    },
  };
};

export type ChainLab = Awaited<ReturnType<typeof raiseChain>>;

const run = async (lab: Lab, node: string, command: string, args: string[]): Promise<string> => {
  const { stdout, stderr, code } = await lab.exec(node, command, args);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} in ${node}: ${stderr}`);
  return stdout;
};
