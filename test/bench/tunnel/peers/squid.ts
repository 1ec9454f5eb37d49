import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Processes, waitForPort } from '../processes.ts';
import type { Peer } from './peer.ts';
import { freePort } from './ports.ts';

const common = `http_access allow all
cache deny all
cache_mem 0 MB
access_log none
cache_log /dev/null
cache_store_log none
pid_filename none
netdb_filename none
shutdown_lifetime 0 seconds
workers 1
max_filedescriptors 19000
pinger_enable off
memory_cache_shared off
dns_nameservers 127.0.0.1
cache_effective_user proxy
`;

/** A squid that forwards what CONNECT asks for; also the far end behind nghttpx. */
export const startSquid = async (
  processes: Processes,
  options: { folder: string; name: string; port: number; text: string },
): Promise<number> => {
  const path = join(options.folder, `squid-${options.name}.conf`);
  writeFileSync(
    path,
    `${common}coredump_dir ${options.folder}\nhosts_file ${benchHosts(options.folder)}\n${options.text}\n`,
  );
  // The service's name is part of names in shared memory, which a killed squid leaves behind.
  const service = `whyslow${process.pid}${options.name}`;
  processes.atEnd(() => removeShared(service));
  const pid = processes.run('squid', ['-N', '-n', service, '-f', path]);
  await waitForPort(options.port);
  return pid;
};

const removeShared = (service: string): void => {
  for (const name of readdirSync('/dev/shm')) {
    if (name.startsWith(service)) rmSync(join('/dev/shm', name));
  }
};

const benchHosts = (folder: string): string => {
  const path = join(folder, 'hosts');
  writeFileSync(path, '127.0.0.1 bench.test\n');
  return path;
};

/** squid → TLS → parent squid, CONNECT, mutual TLS. */
export const squid: Peer = {
  name: 'squid → squid',
  package: 'squid-openssl',
  programs: ['/usr/sbin/squid'],
  async start({ processes, materials: { folder, files }, originPort }) {
    const [near, far] = [await freePort(), await freePort()];
    const farPid = await startSquid(processes, {
      folder,
      name: 'far',
      port: far,
      text: `https_port 127.0.0.1:${far} tls-cert=${files.edge} tls-key=${files.edgeKey} clientca=${files.ca} tls-min-version=1.3`,
    });
    const nearPid = await startSquid(processes, {
      folder,
      name: 'near',
      port: near,
      text: `http_port 127.0.0.1:${near}
cache_peer 127.0.0.1 parent ${far} 0 no-query no-digest no-netdb-exchange default tls sslcert=${files.device} sslkey=${files.deviceKey} tls-cafile=${files.ca} sslflags=DONT_VERIFY_PEER,DONT_VERIFY_DOMAIN
never_direct allow all`,
    });
    return {
      name: 'squid → squid',
      pids: [nearPid, farPid],
      farPid,
      target: { host: 'bench.test', port: originPort },
      proxyPort: near,
    };
  },
};
