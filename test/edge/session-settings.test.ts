import { once } from 'node:events';
import { connect } from 'node:tls';
import { expect, it } from 'vitest';
import { edgeServerName } from '#contract/enrollment.ts';
import { createEdgeLab } from '#test/support/edge-lab.ts';
import { startSessions } from '#test/support/session-listener.ts';
import { waitUntil } from '#test/support/wait-until.ts';

it('a client that says HTTP/2 and then nothing, not even its SETTINGS, is closed', async () => {
  const lab = await createEdgeLab();
  const { port, server } = await startSessions(lab, { settingsMs: 400 });
  try {
    const identity = await lab.device();
    const socket = connect({
      host: '127.0.0.1',
      port,
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
