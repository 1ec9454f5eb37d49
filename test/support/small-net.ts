import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A few namespaces with wires between them, made with `ip` alone: seconds less than the lab. */
export type SmallNet = {
  /** What a command prints; rejects when it fails. `uid`: as that user, with no capability of root's. */
  exec(node: string, command: string, ...args: string[]): Promise<string>;
  namespaceOf(node: string): string;
  down(): Promise<void>;
};

/** `addresses`: of the first node's end and of the second's, with their prefixes. */
export type Wire = { from: string; to: string; addresses: [string[], string[]] };

/** Namespaces carry `name`, so that those of a run that was killed are found and removed first. */
export const raiseSmallNet = async (options: {
  name: string;
  nodes: readonly string[];
  wires: readonly Wire[];
  /** Lines of `ip`, after the wires are up: routes. */
  lines?: Record<string, readonly string[]>;
  routers?: readonly string[];
}): Promise<SmallNet> => {
  const { name } = options;
  const namespaceOf = (node: string) => `${name}-${node}`;
  const exec: SmallNet['exec'] = async (node, command, ...args) =>
    (await run('ip', ['netns', 'exec', namespaceOf(node), command, ...args])).stdout;
  const down = async () => {
    for (const node of options.nodes) {
      await run('ip', ['netns', 'del', namespaceOf(node)]).catch(() => {});
    }
  };
  await down();
  for (const node of options.nodes) {
    await run('ip', ['netns', 'add', namespaceOf(node)]);
    await exec(node, 'ip', 'link', 'set', 'lo', 'up');
  }
  for (const node of options.routers ?? []) {
    await exec(node, 'sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
  }
  for (const { from, to, addresses } of options.wires) {
    await run('ip', [
      ...['link', 'add', to, 'netns', namespaceOf(from), 'type', 'veth'],
      ...['peer', 'name', from, 'netns', namespaceOf(to)],
    ]);
    for (const [node, link, own] of [
      [from, to, addresses[0]],
      [to, from, addresses[1]],
    ] as const) {
      for (const address of own) {
        const nodad = address.includes(':') ? ['nodad'] : [];
        await exec(node, 'ip', 'addr', 'add', address, 'dev', link, ...nodad);
      }
      await exec(node, 'ip', 'link', 'set', 'dev', link, 'up');
    }
  }
  for (const [node, lines] of Object.entries(options.lines ?? {})) {
    for (const line of lines) await exec(node, 'ip', ...line.split(' '));
  }
  return { exec, namespaceOf, down };
};
