import { createHash } from 'node:crypto';
import { appendFileSync, createReadStream, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { benchBlock } from './block.ts';
import { type Processes, waitForPort } from './processes.ts';

/** nginx with files in memory: what every way leads to. */
export type Origin = {
  port: number;
  folder: string;
  /** One for a single stream, one for each of fifty, `1k` for requests. */
  files: { single: string; fiftieth: string; small: string };
  bytesOf: (file: string) => number;
};

export const startOrigin = async (options: {
  processes: Processes;
  folder: string;
  port: number;
  megabytes: number;
  listen?: string;
  namespace?: string;
}): Promise<Origin> => {
  const { folder, port } = options;
  mkdirSync(join(folder, 'www'), { recursive: true });
  const sizes = new Map([
    ['single', options.megabytes * 1_000_000],
    ['fiftieth', options.megabytes * 20_000],
    ['small', 1_024],
  ]);
  const block = benchBlock();
  for (const [name, bytes] of sizes) {
    const path = join(folder, 'www', name);
    writeFileSync(path, '');
    for (let left = bytes; left > 0; left -= block.length) {
      appendFileSync(path, block.subarray(0, Math.min(left, block.length)));
    }
  }
  const configFile = join(folder, `nginx-${port}.conf`);
  writeFileSync(
    configFile,
    `daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid ${folder}/nginx-${port}.pid; error_log /dev/null crit; user root;
events { worker_connections 19000; }
http { access_log off; sendfile on; tcp_nopush off; tcp_nodelay on; keepalive_requests 100000000; keepalive_timeout 600s;
client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
server { listen ${options.listen ?? '127.0.0.1'}:${port} backlog=4096; root ${folder}/www; } }
`,
  );
  options.processes.run('nginx', ['-c', configFile], { namespace: options.namespace });
  if (options.namespace === undefined) await waitForPort(port);
  return {
    port,
    folder,
    files: { single: 'single', fiftieth: 'fiftieth', small: 'small' },
    bytesOf: (file) => sizes.get(file) ?? 0,
  };
};

export const hashFile = async (path: string): Promise<string> => {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
};
