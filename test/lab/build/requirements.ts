import { accessSync, constants, existsSync } from 'node:fs';
import { join } from 'node:path';

/** Something the machine or the caller lacks; the message says what to do. */
export class LabRefused extends Error {
  override name = 'LabRefused';
}

const tools = [
  { command: 'ip', debianPackage: 'iproute2' },
  { command: 'bridge', debianPackage: 'iproute2' },
  { command: 'tc', debianPackage: 'iproute2' },
  { command: 'iptables-restore', debianPackage: 'iptables' },
  { command: 'ip6tables-restore', debianPackage: 'iptables' },
] as const;

/** Says in one sentence what is missing before anything is changed. */
export const checkRequirements = (
  environment: { userId: number; searchPath: string } = {
    userId: process.getuid?.() ?? -1,
    searchPath: process.env['PATH'] ?? '',
  },
): void => {
  if (process.platform !== 'linux') {
    throw new LabRefused('the lab needs Linux: it is made of network namespaces');
  }
  if (environment.userId !== 0) {
    throw new LabRefused('the lab makes network namespaces and needs root: run it with sudo');
  }
  const missing = tools.filter(({ command }) => !isFound(command, environment.searchPath));
  if (missing.length > 0) {
    const names = missing.map(({ command }) => command).join(', ');
    const packages = [...new Set(missing.map(({ debianPackage }) => debianPackage))].join(' ');
    throw new LabRefused(`the lab needs ${names}: apt-get install ${packages}`);
  }
  if (!existsSync('/proc/sys/net/bridge')) {
    throw new LabRefused(
      'the lab needs the kernel module that lets a bridge ask iptables: modprobe br_netfilter',
    );
  }
};

const isFound = (command: string, searchPath: string): boolean =>
  searchPath.split(':').some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
