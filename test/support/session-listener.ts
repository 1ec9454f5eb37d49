import { startListener } from '#edge/listener.ts';
import { createMeter } from '#edge/meter.ts';
import { createSessionServer } from '#edge/session.ts';
import { silentLog } from '#runtime/log.ts';
import type { EdgeLab } from './edge-lab.ts';

type SessionOptions = Parameters<typeof createSessionServer>[0];

/** An edge's sessions alone, `e1` on loopback, without anything that opens flows; ends with the lab. */
export const startSessions = async (lab: EdgeLab, options: Partial<SessionOptions>) => {
  const server = createSessionServer({
    certificate: await lab.edgeCertificate('e1'),
    edgeId: 'e1',
    isRevoked: () => false,
    openFlow: () => Promise.reject(new Error('no flow was to be asked for')),
    protocols: new Map(),
    limits: { note: () => {} },
    meter: createMeter(),
    log: silentLog(),
    ...options,
  });
  const listener = await startListener({
    listen: { host: '127.0.0.1', port: 0 },
    onSocket: server.accept,
  });
  lab.onStop(async () => {
    listener.close();
    await server.stop(0);
  });
  return { port: listener.address.port, server };
};
