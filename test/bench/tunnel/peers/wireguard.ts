import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Link } from '../link.ts';
import type { Processes } from '../processes.ts';
import type { Way } from '../way.ts';

/** wireguard-go at both ends of the link: the peer that carries packets in user space as we do. */
export const startWireguard = async (
  processes: Processes,
  folder: string,
  link: Link,
  originPort: number,
): Promise<Way> => {
  const keys = [makeKey(folder, 'near'), makeKey(folder, 'far')] as const;
  const pids: number[] = [];
  for (const [at, end] of (['near', 'far'] as const).entries()) {
    const namespace = link[end];
    const name = `wg${end}`;
    pids.push(
      processes.run('wireguard-go', ['-f', name], { namespace, env: { LOG_LEVEL: 'silent' } }),
    );
    await until(() => inside(namespace, 'ip', 'link', 'show', name));
    const other = end === 'near' ? 'far' : 'near';
    const address = other === 'near' ? link.nearAddress : link.farAddress;
    const key = keys[at];
    const peerKey = keys[1 - at];
    if (key === undefined || peerKey === undefined) throw new Error('no keys');
    inside(namespace, 'wg', 'set', name, 'listen-port', '51820', 'private-key', key.file);
    inside(
      namespace,
      ...['wg', 'set', name, 'peer', peerKey.publicKey],
      ...['allowed-ips', '10.78.0.0/24', 'endpoint', `${address}:51820`],
    );
    inside(namespace, 'ip', 'address', 'add', `10.78.0.${at + 1}/24`, 'dev', name);
    inside(namespace, 'ip', 'link', 'set', name, 'mtu', '1420', 'up');
  }
  return {
    name: 'wireguard-go',
    pids,
    farPid: pids[1] ?? 0,
    target: { host: '10.78.0.2', port: originPort },
    namespace: link.near,
  };
};

const makeKey = (folder: string, name: string): { file: string; publicKey: string } => {
  const privateKey = execFileSync('wg', ['genkey'], { encoding: 'utf8' });
  const file = join(folder, `wg-${name}`);
  writeFileSync(file, privateKey, { mode: 0o600 });
  return {
    file,
    publicKey: execFileSync('wg', ['pubkey'], { encoding: 'utf8', input: privateKey }).trim(),
  };
};

export const inside = (namespace: string, ...command: string[]): string =>
  execFileSync('ip', ['netns', 'exec', namespace, ...command], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });

/** Asks until it does not throw. */
export const until = async (ask: () => unknown): Promise<void> => {
  for (let i = 0; ; i++) {
    try {
      await ask();
      return;
    } catch (error) {
      if (i === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
};
