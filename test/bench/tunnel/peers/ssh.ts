import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitForPort } from '../processes.ts';
import type { Peer } from './peer.ts';
import { freePort } from './ports.ts';

/** ssh -L: one connection, many channels, AES-128-GCM. */
export const ssh: Peer = {
  name: 'ssh -L',
  package: 'openssh-server',
  programs: ['/usr/sbin/sshd', '/usr/bin/ssh'],
  async start({ processes, materials: { folder }, originPort }) {
    const [near, far] = [await freePort(), await freePort()];
    const key = join(folder, 'ssh-key');
    if (!existsSync(key)) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
    copyFileSync(`${key}.pub`, join(folder, 'authorized_keys'));
    mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
    const config = join(folder, 'sshd.conf');
    writeFileSync(
      config,
      `ListenAddress 127.0.0.1:${far}
HostKey ${key}
PidFile none
AuthorizedKeysFile ${join(folder, 'authorized_keys')}
StrictModes no
UsePAM no
PermitRootLogin yes
MaxSessions 20000
Ciphers aes128-gcm@openssh.com
`,
    );
    const farPid = processes.run('/usr/sbin/sshd', ['-D', '-e', '-f', config]);
    await waitForPort(far);
    const nearPid = processes.run('/usr/bin/ssh', [
      ...['-N', '-F', 'none', '-i', key, '-p', String(far)],
      ...['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'],
      ...['-o', 'LogLevel=ERROR', '-c', 'aes128-gcm@openssh.com'],
      ...['-L', `127.0.0.1:${near}:127.0.0.1:${originPort}`, 'root@127.0.0.1'],
    ]);
    await waitForPort(near);
    return {
      name: 'ssh -L',
      pids: [nearPid, farPid],
      farPid,
      target: { host: '127.0.0.1', port: near },
    };
  },
};
