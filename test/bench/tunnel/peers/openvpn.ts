import type { Link } from '../link.ts';
import type { Materials } from '../materials.ts';
import type { Processes } from '../processes.ts';
import type { Way } from '../way.ts';
import { inside, until } from './wireguard.ts';

/** openvpn over UDP, AES-128-GCM, TLS certificates at both ends. */
export const startOpenvpn = async (
  processes: Processes,
  { files }: Materials,
  link: Link,
  originPort: number,
): Promise<Way> => {
  const common = [
    ...['--dev', 'tun', '--proto', 'udp', '--port', '1194', '--verb', '1'],
    ...['--ca', files.ca, '--data-ciphers', 'AES-128-GCM', '--disable-dco'],
  ];
  const far = processes.run(
    'openvpn',
    [
      ...common,
      ...['--tls-server', '--dh', 'none', '--cert', files.edge, '--key', files.edgeKey],
      ...['--ifconfig', '10.79.0.2', '10.79.0.1'],
    ],
    { namespace: link.far },
  );
  const near = processes.run(
    'openvpn',
    [
      ...common,
      ...['--tls-client', '--cert', files.device, '--key', files.deviceKey],
      ...['--remote', link.farAddress, '--ifconfig', '10.79.0.1', '10.79.0.2'],
    ],
    { namespace: link.near },
  );
  await until(() => inside(link.near, 'ping', '-c', '1', '-W', '1', '10.79.0.2'));
  return {
    name: 'openvpn',
    pids: [near, far],
    farPid: far,
    target: { host: '10.79.0.2', port: originPort },
    namespace: link.near,
  };
};
