import { edgeServerName } from '#contract/enrollment.ts';
import { waitForPort } from '../processes.ts';
import type { Peer } from './peer.ts';
import { freePort } from './ports.ts';
import { startSquid } from './squid.ts';

/** nghttpx (HTTP/1.1 → HTTP/2) → nghttpx → squid: the only peer in Debian with the same protocol. */
export const nghttpx: Peer = {
  name: 'nghttpx → nghttpx → squid',
  package: 'nghttp2-proxy',
  programs: ['/usr/sbin/nghttpx', '/usr/sbin/squid'],
  async start({ processes, materials: { folder, files }, originPort }) {
    const [near, far, last] = [await freePort(), await freePort(), await freePort()];
    const squidPid = await startSquid(processes, {
      folder,
      name: 'last',
      port: last,
      text: `http_port 127.0.0.1:${last}`,
    });
    const common = ['--conf=/dev/null', '--workers=1', '--log-level=FATAL', '--no-ocsp'];
    const windows = [
      '--frontend-http2-window-size=4194304',
      '--frontend-http2-connection-window-size=33554432',
      '--backend-http2-window-size=4194304',
      '--backend-http2-connection-window-size=33554432',
    ];
    const farPid = processes.run('nghttpx', [
      ...common,
      ...windows,
      '--http2-proxy',
      `--frontend=127.0.0.1,${far}`,
      `--backend=127.0.0.1,${last};;proto=http/1.1`,
      '--verify-client',
      `--verify-client-cacert=${files.ca}`,
      files.edgeKey,
      files.edge,
    ]);
    await waitForPort(far);
    const nearPid = processes.run('nghttpx', [
      ...common,
      ...windows,
      '--http2-proxy',
      `--frontend=127.0.0.1,${near};no-tls`,
      `--backend=127.0.0.1,${far};;proto=h2;tls;sni=${edgeServerName('bench')}`,
      `--cacert=${files.ca}`,
      `--client-cert-file=${files.device}`,
      `--client-private-key-file=${files.deviceKey}`,
    ]);
    await waitForPort(near);
    return {
      name: 'nghttpx → nghttpx → squid',
      pids: [nearPid, farPid, squidPid],
      farPid,
      target: { host: 'bench.test', port: originPort },
      proxyPort: near,
    };
  },
};
