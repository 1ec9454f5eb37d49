import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitForPort } from '../processes.ts';
import type { Peer } from './peer.ts';
import { freePort } from './ports.ts';

/** haproxy → haproxy: mutual TLS 1.3, AES-128-GCM, one thread each. */
export const haproxy: Peer = {
  name: 'haproxy',
  package: 'haproxy',
  programs: ['/usr/sbin/haproxy'],
  async start({ processes, materials: { folder, files }, originPort }) {
    const [near, far] = [await freePort(), await freePort()];
    const common = `global
 nbthread 1
 maxconn 9000
defaults
 mode tcp
 timeout connect 5s
 timeout client 1h
 timeout server 1h
`;
    const tls = `ca-file ${files.ca} ciphersuites TLS_AES_128_GCM_SHA256 ssl-min-ver TLSv1.3`;
    const start = (name: string, text: string): number => {
      const path = join(folder, `haproxy-${name}.cfg`);
      writeFileSync(path, `${common}${text}`);
      return processes.run('/usr/sbin/haproxy', ['-db', '-f', path]);
    };
    const farPid = start(
      'far',
      `listen s\n bind 127.0.0.1:${far} ssl crt ${files.edgeBoth} verify required ${tls}\n server o 127.0.0.1:${originPort}\n`,
    );
    const nearPid = start(
      'near',
      `listen c\n bind 127.0.0.1:${near}\n server e 127.0.0.1:${far} ssl crt ${files.deviceBoth} verify required ${tls}\n`,
    );
    await waitForPort(near);
    await waitForPort(far);
    return {
      name: 'haproxy',
      pids: [nearPid, farPid],
      farPid,
      target: { host: '127.0.0.1', port: near },
    };
  },
};
