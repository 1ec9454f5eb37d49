import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http2 from 'node:http2';
import { expect, it, onTestFinished } from 'vitest';
import { edgeServerName, identityUri } from '#contract/enrollment.ts';
import { startEdgeServer } from '#edge/server.ts';
import { issueWithKey } from '#runtime/certificates.ts';
import { silentLog } from '#runtime/log.ts';
import {
  createEdgeLab,
  emptyPolicy,
  loopbackApplication,
  readAll,
  sha256,
} from '#test/support/edge-lab.ts';

it('slows a device down to its bytes a second, both ways, and loses none', async () => {
  const lab = await createEdgeLab();
  onTestFinished(() => lab.stop());
  const issued = await issueWithKey(lab.authority, {
    commonName: 'e1',
    notAfter: Date.now() + 60_000,
    dnsNames: [edgeServerName('e1')],
    uris: [identityUri('edge', 'e1')],
    usages: ['server'],
  });
  const edge = await startEdgeServer({
    edgeId: 'e1',
    listen: { host: '127.0.0.1', port: 0 },
    certificate: { ...issued, caCertificatePem: lab.authority.certificatePem },
    limits: { bytesPerSecond: 2_000_000 },
    log: silentLog(),
  });
  lab.onStop(() => edge.stop(0));
  edge.setPolicy({ ...emptyPolicy('e1'), ...loopbackApplication });
  const origin = await lab.origin((socket) => socket.pipe(socket));
  const who = await lab.device();
  const session = http2.connect(`https://127.0.0.1:${edge.address.port}`, {
    servername: edgeServerName('e1'),
    ca: who.caCertificatePem,
    cert: who.certificatePem,
    key: who.privateKeyPem,
  });
  lab.onStop(() => session.destroy());
  const authority = `app.test:${origin.port}`;
  const stream = session.request({ ':method': 'CONNECT', ':authority': authority });
  await once(stream, 'response');
  const beganMs = performance.now();
  const sent = randomBytes(2_000_000);
  stream.end(sent);
  expect(sha256(await readAll(stream))).toBe(sha256(sent));
  // 4 MB in all: the first two at once, the others in a second.
  expect(performance.now() - beganMs).toBeGreaterThan(900);
});
