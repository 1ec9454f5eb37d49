import { createSocket, type Socket } from 'node:dgram';

/** What comes in one turn of the loop has to wait there. Linux grants at most net.core.rmem_max, twice. */
const receiveBufferBytes = 1_048_576;

/**
 * A UDP socket connected to the first address that there is a way to. Connected, the kernel lets in
 * nothing but that address's datagrams, and tells of its ICMP errors.
 */
export const connectUdp = async (
  addresses: readonly string[],
  port: number,
): Promise<{ socket: Socket; address: string } | { problem: string }> => {
  let problem = 'no address to try';
  for (const address of addresses) {
    const outcome = await connectTo(address, port);
    if (typeof outcome !== 'string') return { socket: outcome, address };
    problem = `${address}: ${outcome}`;
  }
  return { problem };
};

const connectTo = (address: string, port: number): Promise<Socket | string> =>
  new Promise((resolve) => {
    const socket = createSocket({
      type: address.includes(':') ? 'udp6' : 'udp4',
      recvBufferSize: receiveBufferBytes,
      // Only literals come here; Node's own look-up would take a turn of the loop for each.
      lookup: (host, _options, done) => done(null, host, host.includes(':') ? 6 : 4),
    });
    const fail = (error: NodeJS.ErrnoException) => {
      socket.close();
      resolve(error.code ?? error.message);
    };
    socket.once('error', fail);
    socket.connect(port, address, (error?: NodeJS.ErrnoException) => {
      socket.off('error', fail);
      if (error) return fail(error);
      return resolve(socket);
    });
  });
