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

/** In ms, of one request over a TLS connection of its own; NaN where the packets do not tell. */
export type WirePhases = {
  /** Question → answer. */
  dnsMs: number;
  /** SYN → SYN-ACK. */
  connectMs: number;
  /** ClientHello → our second flight, which ends TLS 1.3 for a client. */
  tlsMs: number;
  /** Request → first packet of the answer. */
  waitMs: number;
  /** First → last packet of the answer. */
  receiveMs: number;
};

/**
 * For each connection to port 443 in its order, with the name looked up right before it. The answer
 * is told from TLS's session tickets by the server's time to think; without it there is none.
 */
export const phasesOnWire = async (
  capture: Capture,
  { thinkMs = 0 }: { thinkMs?: number } = {},
): Promise<WirePhases[]> => {
  const rows = await capture.read(`tcp.port == ${port} or dns`, fields);
  const questions = rows.filter(([, , , , , , id, isAnswer]) => id !== '' && !isSet(isAnswer));
  const dnsTimes = questions.map((question) => {
    const sameId = rows.filter(
      ([, , , , , , id, isAnswer]) => id === question[6] && isSet(isAnswer),
    );
    return timeOf(sameId.find((row) => timeOf(row) > timeOf(question))) - timeOf(question);
  });
  const streams = new Map<string, string[][]>();
  for (const row of rows) {
    const [, stream = ''] = row;
    if (stream !== '' && row[6] === '') streams.set(stream, [...(streams.get(stream) ?? []), row]);
  }
  return [...streams.values()].map((packets, index) => ({
    dnsMs: dnsTimes[index] ?? Number.NaN,
    ...connectionOnWire(packets, thinkMs),
  }));
};

const port = 443;
const fields = [
  'frame.time_epoch',
  'tcp.stream',
  'tcp.flags.syn',
  'tcp.flags.ack',
  'tcp.dstport',
  'tcp.len',
  'dns.id',
  'dns.flags.response',
];

const timeOf = (row: string[] | undefined): number => Number(row?.[0]) * 1_000;
const isSet = (flag: string | undefined): boolean => flag === '1' || flag === 'True';
/** TLS's record of one alert, close_notify at the end among them. */
const alertBytes = 24;

const connectionOnWire = (packets: readonly string[][], thinkMs: number) => {
  const bytes = (row: string[]) => Number(row[5]);
  const isOut = (row: string[]) => row[4] === String(port);
  const syn = packets.find(([, , s, a]) => isSet(s) && !isSet(a));
  const synAck = packets.find(([, , s, a]) => isSet(s) && isSet(a));
  const connectMs = timeOf(synAck) - timeOf(syn);
  const sent = packets.filter((row) => isOut(row) && bytes(row) > 0);
  const answers = packets.filter((row) => !isOut(row) && bytes(row) > alertBytes);
  const tlsMs = timeOf(sent[1]) - timeOf(sent[0]);
  if (thinkMs === 0) return { connectMs, tlsMs, waitMs: Number.NaN, receiveMs: Number.NaN };
  const earliest = timeOf(sent[1]) + connectMs + thinkMs / 2;
  const first = answers.find((row) => timeOf(row) > earliest);
  const request = sent.findLast((row) => timeOf(row) < timeOf(first));
  return {
    connectMs,
    tlsMs,
    waitMs: timeOf(first) - timeOf(request),
    receiveMs: timeOf(answers.at(-1)) - timeOf(first),
  };
};
