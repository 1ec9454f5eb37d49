import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { join } from 'node:path';
import type { Application } from '#contract/organisation.ts';
import { createAuthority, issueWithKey } from '#runtime/certificates.ts';

/** An application served on this machine for whyslow to watch. */
type Sample = {
  id: string;
  name: string;
  host: string;
  preferredPort: number;
  /** How long its server thinks before every answer: the known slowness. */
  thinkMs: number;
  /** Its name is known to the edges alone, as an internal application's is. */
  internal: boolean;
};

const samples: readonly Sample[] = [
  {
    id: 'intranet',
    name: 'Intranet',
    host: 'intranet.localhost',
    preferredPort: 8443,
    thinkMs: 0,
    internal: false,
  },
  {
    id: 'tickets',
    name: 'Tickets',
    host: 'tickets.localhost',
    preferredPort: 8444,
    thinkMs: 8,
    internal: false,
  },
  {
    id: 'payroll',
    name: 'Payroll',
    host: 'payroll.localhost',
    preferredPort: 8445,
    thinkMs: 700,
    internal: false,
  },
  {
    id: 'wiki',
    name: 'Wiki (internal only)',
    host: 'wiki.corp.internal',
    preferredPort: 8446,
    thinkMs: 3,
    internal: true,
  },
];

export type SampleApplications = {
  /** As declared to the collector. */
  applications: Application[];
  caFile: string;
  /** A URL to try by hand. */
  exampleUrl: string;
  slowName: string;
  stop(): Promise<void>;
};

/**
 * Starts the sample applications: HTTPS servers on loopback with a real page, certificates from a
 * CA of their own whose file lies in `folder`.
 */
export const startSampleApplications = async (options: {
  folder: string;
  siteFolder: string;
  intervalSeconds: number;
}): Promise<SampleApplications> => {
  mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  const authority = await createAuthority('whyslow sample applications', 30);
  const caFile = join(options.folder, 'ca.pem');
  writeFileSync(caFile, authority.certificatePem);
  const site = readSite(options.siteFolder);

  const running = await Promise.all(
    samples.map(async (sample) => {
      const { certificatePem, privateKeyPem } = await issueWithKey(authority, {
        commonName: sample.host,
        dnsNames: [sample.host],
        notAfter: Date.now() + 30 * 86_400_000,
        usages: ['server'],
      });
      const server = createServer({
        cert: certificatePem,
        key: privateKeyPem,
        minVersion: 'TLSv1.2',
      });
      const port = await listen(server, sample.preferredPort);
      // `*.localhost` is both loopback addresses; where there is no IPv6 the one is enough.
      const second = createServer({
        cert: certificatePem,
        key: privateKeyPem,
        minVersion: 'TLSv1.2',
      });
      second.on('error', () => {});
      second.listen(port, '::1');
      for (const each of [server, second]) serve(each, site, sample);
      return { sample, servers: [server, second], port };
    }),
  );

  const [first] = running;
  if (!first) throw new Error('no sample application');
  return {
    applications: running.map(({ sample, port }) => declare(sample, port, options.intervalSeconds)),
    caFile,
    exampleUrl: `https://${first.sample.host}:${first.port}/`,
    slowName: 'Payroll',
    stop: async () => {
      await Promise.all(running.flatMap(({ servers }) => servers).map(close));
    },
  };
};

type SiteFile = { type: string; body: string };

const readSite = (folder: string): Map<string, SiteFile> => {
  const file = (name: string, type: string): [string, SiteFile] => [
    `/${name}`,
    { type, body: readFileSync(join(folder, name), 'utf8') },
  ];
  return new Map([
    file('index.html', 'text/html; charset=utf-8'),
    file('style.css', 'text/css; charset=utf-8'),
    file('page.js', 'text/javascript; charset=utf-8'),
    file('logo.svg', 'image/svg+xml'),
    file('landscape.svg', 'image/svg+xml'),
  ]);
};

const serve = (server: Server, site: Map<string, SiteFile>, sample: Sample): void => {
  const timers = new Set<NodeJS.Timeout>();
  server.on('close', () => {
    for (const timer of timers) clearTimeout(timer);
  });
  server.on('request', (request, response) => {
    request.resume();
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    const timer = setTimeout(
      () => {
        timers.delete(timer);
        const found = site.get(path === '/' ? '/index.html' : path);
        if (path === '/api/entries') {
          response.writeHead(200, { 'content-type': 'application/json' });
          response.end(
            JSON.stringify([{ title: `Welcome to ${sample.name}` }, { title: 'Nothing new' }]),
          );
        } else if (found) {
          response.writeHead(200, { 'content-type': found.type, 'cache-control': 'no-store' });
          response.end(found.body.replaceAll('{{name}}', sample.name));
        } else {
          response.writeHead(404, { 'content-type': 'text/plain' });
          response.end('not found\n');
        }
      },
      path === '/' ? sample.thinkMs : 0,
    );
    timers.add(timer);
  });
};

/** The preferred port, or any free one where it is taken. */
const listen = (server: Server, preferredPort: number): Promise<number> =>
  new Promise((resolve, reject) => {
    let port = preferredPort;
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE' || port === 0) return reject(error);
      port = 0;
      server.listen(0, '127.0.0.1');
    });
    server.on('listening', () => {
      const address = server.address();
      if (address !== null && typeof address === 'object') resolve(address.port);
    });
    server.listen(port, '127.0.0.1');
  });

const close = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    // Also called back, with an error, by a server that never listened.
    server.close(() => resolve());
    server.closeAllConnections();
  });

const declare = (sample: Sample, port: number, intervalSeconds: number): Application => {
  const url = `https://${sample.host}:${port}/`;
  return {
    id: sample.id,
    name: sample.name,
    hosts: [sample.host],
    // Loopback is a private range: an edge dials it only for an application declared private.
    private: true,
    ports: [port],
    addresses: { [sample.host]: '127.0.0.1' },
    probes: [
      {
        type: 'http',
        url,
        intervalSeconds,
        timeoutSeconds: 15,
        via: sample.internal ? 'tunnel' : 'both',
      },
      {
        type: 'page-load',
        url,
        intervalSeconds: intervalSeconds * 4,
        timeoutSeconds: 30,
        via: 'tunnel',
      },
      ...(sample.internal
        ? []
        : [
            {
              type: 'path' as const,
              host: sample.host,
              port,
              intervalSeconds: intervalSeconds * 4,
              timeoutSeconds: 15,
              via: 'direct' as const,
            },
          ]),
    ],
  };
};
