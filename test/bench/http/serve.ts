import { createTestAuthority } from '#test/support/certificates.ts';
import { startHttp2Origin } from '#test/support/http2-origin.ts';
import { startOrigin } from '#test/support/origin.ts';
import { startRelay } from '#test/support/relay.ts';
import { page, pauseMs, type Servers } from './servers.ts';

/** Forked by servers.ts; ends with its parent. */
const authority = await createTestAuthority();
const [plain, secure, http2] = await Promise.all([
  startOrigin(),
  startOrigin({ authority }),
  startHttp2Origin({ authority }),
]);
for (const origin of [plain, secure, http2]) origin.on('/', { body: page });
const relay = await startRelay({ target: secure, firstBytesDelayMs: pauseMs });
for (const origin of [plain, secure]) {
  origin.on('/paused', { thinkMs: pauseMs, bodyMs: pauseMs, body: page });
}
process.once('disconnect', () => process.exit(0));
process.send?.({
  http: plain.url,
  https: secure.url,
  http2: http2.url,
  paused: `https://127.0.0.1:${relay.port}`,
  caPem: authority.certificatePem,
} satisfies Servers);
