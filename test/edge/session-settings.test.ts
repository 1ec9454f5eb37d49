import { once } from 'node:events';
import { connect } from 'node:tls';
import { expect, it } from 'vitest';
import { edgeServerName, identityUri } from '#contract/enrollment.ts';
import { startListener } from '#edge/listener.ts';
import { createMeter } from '#edge/meter.ts';
import { createSessionServer } from '#edge/session.ts';
import { issueWithKey } from '#runtime/certificates.ts';
import { silentLog } from '#runtime/log.ts';
import { createEdgeLab } from '#test/support/edge-lab.ts';
import { waitUntil } from '#test/support/wait-until.ts';

it('a client that says HTTP/2 and then nothing, not even its SETTINGS, is closed', async () => {
  const lab = await createEdgeLab();
  const certificate = await issueWithKey(lab.authority, {
    commonName: 'e1',
    notAfter: Date.now() + 60_000,
    dnsNames: [edgeServerName('e1')],
    uris: [identityUri('edge', 'e1')],
    usages: ['server'],
  });
  const server = createSessionServer({
    certificate: { ...certificate, caCertificatePem: lab.authority.certificatePem },
    edgeId: 'e1',
    isRevoked: () => false,
    openFlow: () => Promise.reject(new Error('nothing was asked')),
    protocols: new Map(),
    limits: { note: () => {} },
    meter: createMeter(),
    settingsMs: 400,
    log: silentLog(),
  });
  const listener = await startListener({
    listen: { host: '127.0.0.1', port: 0 },
    onSocket: server.accept,
  });
  lab.onStop(async () => {
    listener.close();
    await server.stop(0);
  });
  try {
    const identity = await lab.device();
    const socket = connect({
      host: '127.0.0.1',
      port: listener.address.port,
      servername: edgeServerName('e1'),
      ca: identity.caCertificatePem,
      cert: identity.certificatePem,
      key: identity.privateKeyPem,
      ALPNProtocols: ['h2'],
    }).on('error', () => {});
    await once(socket, 'secureConnect');
    await waitUntil(() => server.counts().sessionCount === 1);
    socket.resume();
    await waitUntil(() => socket.closed);
    expect(server.counts().sessionCount).toBe(0);
  } finally {
    await lab.stop();
  }
});
