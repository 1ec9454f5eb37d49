import type { Capture } from '#test/lab/capture.ts';

/** ICMP round trips by TTL, in ms, from pairs of request and answer with the same id and sequence. */
export const roundTripsOnWire = async (capture: Capture): Promise<Map<number, number[]>> => {
  const rows = await capture.read('icmp', [
    'frame.time_epoch',
    'icmp.type',
    'ip.ttl',
    'icmp.ident',
    'icmp.seq',
  ]);
  const requests = new Map<string, { ttl: number; atMs: number }>();
  const roundTrips = new Map<number, number[]>();
  for (const [time = '', types = '', ttls = '', ids = '', sequences = ''] of rows) {
    // An error quotes the request: its own type comes first, the quoted one second.
    const [type] = types.split(',');
    const key = `${ids.split(',').at(-1)} ${sequences.split(',').at(-1)}`;
    const atMs = Number(time) * 1_000;
    if (type === '8') {
      requests.set(key, { ttl: Number(ttls.split(',')[0]), atMs });
      continue;
    }
    const request = requests.get(key);
    if (request === undefined) continue;
    const known = roundTrips.get(request.ttl) ?? [];
    roundTrips.set(request.ttl, [...known, atMs - request.atMs]);
  }
  return roundTrips;
};

/** In ms, for each TCP connection to the port in its order. */
export type Handshakes = {
  /** SYN sent → SYN-ACK received. */
  connectMs: number;
  /** SYN-ACK received → our second flight sent, which is the end of TLS 1.3 for a client. */
  tlsMs: number;
}[];

export const handshakesOnWire = async (capture: Capture, port: number): Promise<Handshakes> => {
  const rows = await capture.read(`tcp.port == ${port}`, [
    'tcp.stream',
    'frame.time_epoch',
    'tcp.flags.syn',
    'tcp.flags.ack',
    'tcp.dstport',
    'tcp.len',
  ]);
  const streams = new Map<string, string[][]>();
  for (const row of rows) {
    const [stream = ''] = row;
    streams.set(stream, [...(streams.get(stream) ?? []), row]);
  }
  return [...streams.values()].map((packets) => {
    const timeOf = (row: string[] | undefined) => Number(row?.[1]) * 1_000;
    const isSet = (flag: string | undefined) => flag === '1' || flag === 'True';
    const syn = packets.find(([, , s, a]) => isSet(s) && !isSet(a));
    const synAck = packets.find(([, , s, a]) => isSet(s) && isSet(a));
    const sent = packets.filter(([, , , , to, size]) => to === String(port) && Number(size) > 0);
    return { connectMs: timeOf(synAck) - timeOf(syn), tlsMs: timeOf(sent[1]) - timeOf(synAck) };
  });
};
