import { setSchedulingFifo } from '#test/lab/kernel/scheduling.ts';
import { createTestAuthority } from '#test/support/certificates.ts';
import { startHttp2Origin } from '#test/support/http2-origin.ts';
import { startOrigin } from '#test/support/origin.ts';
import { startPausedServers } from './paused.ts';
import { page, pauseMs, type Servers } from './servers.ts';

/** Forked by servers.ts; ends with its parent. Its own delays are nobody's: it runs before others. */
if (process.getuid?.() === 0) setSchedulingFifo(1);
const authority = await createTestAuthority();
const [plain, secure, http2] = await Promise.all([
  startOrigin(),
  startOrigin({ authority }),
  startHttp2Origin({ authority }),
]);
for (const origin of [plain, secure, http2]) origin.on('/', { body: page });
const paused = await startPausedServers(await authority.server(), page, pauseMs);
process.once('disconnect', () => process.exit(0));
process.send?.({
  http: plain.url,
  https: secure.url,
  http2: http2.url,
  paused,
  caPem: authority.certificatePem,
} satisfies Servers);
