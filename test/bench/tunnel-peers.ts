import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** One way from here to the source: its processes, and how to open a connection through it. */
export type Way = { name: string; pids: number[]; open(): Promise<Socket> };

export type Materials = {
  folder: string;
  sourcePort: number;
  edge: { certificatePem: string; privateKeyPem: string };
  device: { certificatePem: string; privateKeyPem: string };
  caCertificatePem: string;
};

/** A child that ends with us (its standard input closes) and says its port in its first line. */
export const startRole = async (
  children: ChildProcess[],
  role: string,
  settings: object,
): Promise<{ port: number; pid: number }> => {
  const script = join(import.meta.dirname, 'tunnel-roles.ts');
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', script, role, JSON.stringify(settings)],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  children.push(child);
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return { port: Number(line), pid: child.pid ?? 0 };
};

export const openDirect = async (port: number): Promise<Socket> => {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  return socket;
};

export const openThroughProxy = async (proxyPort: number, sourcePort: number): Promise<Socket> => {
  const asking = request({
    host: '127.0.0.1',
    port: proxyPort,
    method: 'CONNECT',
    path: `bench.test:${sourcePort}`,
  });
  asking.end();
  const [answer, socket] = (await once(asking, 'connect')) as [{ statusCode: number }, Socket];
  if (answer.statusCode !== 200) throw new Error(`CONNECT answered ${answer.statusCode}`);
  return socket.setNoDelay(true);
};

/** stunnel4 → stunnel4, mutual TLS 1.3, AES-128-GCM; undefined when it is not installed. */
export const startStunnel = async (
  children: ChildProcess[],
  materials: Materials,
): Promise<Way | undefined> => {
  if (!existsSync('/usr/bin/stunnel4')) return undefined;
  const files = writePems(materials);
  const [near, far] = [await freePort(), await freePort()];
  const common = `foreground = yes\npid =\ndebug = err\nsslVersion = TLSv1.3
ciphersuites = TLS_AES_128_GCM_SHA256\nCAfile = ${files.ca}\nverifyChain = yes\nsocket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n`;
  const server = join(materials.folder, 'stunnel-server.conf');
  const client = join(materials.folder, 'stunnel-client.conf');
  writeFileSync(
    server,
    `${common}cert = ${files.edge}\n[s]\naccept = 127.0.0.1:${far}\nconnect = 127.0.0.1:${materials.sourcePort}\n`,
  );
  writeFileSync(
    client,
    `${common}client = yes\ncert = ${files.device}\n[c]\naccept = 127.0.0.1:${near}\nconnect = 127.0.0.1:${far}\n`,
  );
  const pids = [server, client].map((file) => run(children, '/usr/bin/stunnel4', [file]));
  await waitForPort(near);
  await waitForPort(far);
  return { name: 'stunnel4', pids, open: () => openDirect(near) };
};

/** haproxy → haproxy, mutual TLS 1.3, one thread each; undefined when it is not installed. */
export const startHaproxy = async (
  children: ChildProcess[],
  materials: Materials,
): Promise<Way | undefined> => {
  if (!existsSync('/usr/sbin/haproxy')) return undefined;
  const files = writePems(materials);
  const [near, far] = [await freePort(), await freePort()];
  const common = `global\n nbthread 1\n maxconn 5000\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 1h\n timeout server 1h\n`;
  const tls = `ca-file ${files.ca} ciphersuites TLS_AES_128_GCM_SHA256 ssl-min-ver TLSv1.3`;
  const server = join(materials.folder, 'haproxy-server.cfg');
  const client = join(materials.folder, 'haproxy-client.cfg');
  writeFileSync(
    server,
    `${common}listen s\n bind 127.0.0.1:${far} ssl crt ${files.edge} verify required ${tls}\n server o 127.0.0.1:${materials.sourcePort}\n`,
  );
  writeFileSync(
    client,
    `${common}listen c\n bind 127.0.0.1:${near}\n server e 127.0.0.1:${far} ssl crt ${files.device} verify required ${tls}\n`,
  );
  const pids = [server, client].map((file) =>
    run(children, '/usr/sbin/haproxy', ['-db', '-f', file]),
  );
  await waitForPort(near);
  await waitForPort(far);
  return { name: 'haproxy', pids, open: () => openDirect(near) };
};

/** User and system CPU seconds of processes so far (Linux; ticks of 10 ms). */
export const cpuSeconds = (pids: readonly number[]): number =>
  pids.reduce((total, pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return total + (Number(fields[11]) + Number(fields[12])) / 100;
  }, 0);

const run = (children: ChildProcess[], program: string, args: string[]): number => {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  children.push(child);
  return child.pid ?? 0;
};

const writePems = ({ folder, edge, device, caCertificatePem }: Materials) => {
  const write = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  return {
    ca: write('ca.pem', caCertificatePem),
    edge: write('edge.pem', edge.certificatePem + edge.privateKeyPem),
    device: write('device.pem', device.certificatePem + device.privateKeyPem),
  };
};

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
};

const waitForPort = async (port: number): Promise<void> => {
  for (let i = 0; i < 100; i++) {
    try {
      (await openDirect(port)).destroy();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error(`nothing listens on port ${port}`);
};
