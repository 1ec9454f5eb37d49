import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitForPort } from '../processes.ts';
import type { Peer } from './peer.ts';
import { freePort } from './ports.ts';

/** stunnel4 → stunnel4: mutual TLS 1.3, AES-128-GCM, one TLS connection a connection. */
export const stunnel: Peer = {
  name: 'stunnel4',
  package: 'stunnel4',
  programs: ['/usr/bin/stunnel4'],
  async start({ processes, materials: { folder, files }, originPort }) {
    const [near, far] = [await freePort(), await freePort()];
    const common = `foreground = yes
pid =
debug = err
sslVersion = TLSv1.3
ciphersuites = TLS_AES_128_GCM_SHA256
CAfile = ${files.ca}
verifyChain = yes
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
`;
    const start = (name: string, text: string): number => {
      const path = join(folder, `stunnel-${name}.conf`);
      writeFileSync(path, `${common}${text}`);
      return processes.run('/usr/bin/stunnel4', [path]);
    };
    const farPid = start(
      'far',
      `cert = ${files.edgeBoth}\n[s]\naccept = 127.0.0.1:${far}\nconnect = 127.0.0.1:${originPort}\n`,
    );
    const nearPid = start(
      'near',
      `client = yes\ncert = ${files.deviceBoth}\n[c]\naccept = 127.0.0.1:${near}\nconnect = 127.0.0.1:${far}\n`,
    );
    await waitForPort(near);
    await waitForPort(far);
    return {
      name: 'stunnel4',
      pids: [nearPid, farPid],
      farPid,
      target: { host: '127.0.0.1', port: near },
    };
  },
};
