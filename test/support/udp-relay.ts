import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';

/** What happens to one packet: when it is passed on, once for each time; none: it is lost. */
export type Fate = { delaysMs: readonly number[] };

/**
 * A UDP path on loopback to one port, that treats each packet as it is told, by direction and count.
 * One client at a time.
 */
export const startUdpRelay = async (
  targetPort: number,
  fateOf: (direction: 'up' | 'down', count: number) => Fate = () => ({ delaysMs: [0] }),
) => {
  const near = createSocket('udp4');
  const far = createSocket('udp4');
  const timers = new Set<NodeJS.Timeout>();
  const counts = { up: 0, down: 0 };
  let client: RemoteInfo | undefined;

  const pass = (
    direction: 'up' | 'down',
    from: Socket,
    packet: Buffer,
    to: () => [number, string],
  ) => {
    for (const delayMs of fateOf(direction, counts[direction]++).delaysMs) {
      const timer = setTimeout(() => {
        timers.delete(timer);
        from.send(packet, ...to());
      }, delayMs);
      timers.add(timer);
    }
  };
  near.on('message', (packet, from) => {
    client = from;
    pass('up', far, packet, () => [targetPort, '127.0.0.1']);
  });
  far.on('message', (packet) =>
    pass('down', near, packet, () => [client?.port ?? 0, client?.address ?? '127.0.0.1']),
  );
  near.bind(0, '127.0.0.1');
  far.bind(0, '127.0.0.1');
  await Promise.all([once(near, 'listening'), once(far, 'listening')]);
  return {
    port: near.address().port,
    stop() {
      for (const timer of timers) clearTimeout(timer);
      near.close();
      far.close();
    },
  };
};
