import type { Result } from '#contract/result.ts';

/** Of a new connection: TCP's handshake and end, and TLS's with an ordinary chain. */
const connectionBytes = 6_000;
/** Request and answer without the body. */
const headerBytes = 1_500;
/** A probe packet of a trace and what answers it, with their headers. */
const hopPacketBytes = 150;
const questionBytes = 400;

/**
 * What a run sent and received, about: bodies are counted by the probes, what goes around them is
 * allowed for. Counters of the interface would hold the user's own traffic as well.
 */
export const bytesOf = (result: Result): number => {
  switch (result.type) {
    case 'http':
      return sum(
        result.body.exchanges.map(({ bodyBytes }) => connectionBytes + headerBytes + bodyBytes),
      );
    case 'page-load':
      return (
        result.body.transferBytes +
        result.body.requestCount * headerBytes +
        result.body.resources.filter(({ connectMs }) => connectMs !== null).length * connectionBytes
      );
    case 'path':
      return sum(result.body.hops.map(({ sentCount }) => sentCount * hopPacketBytes));
    case 'dns':
      return questionBytes * Math.max(1, result.body.servers.length);
    case 'tcp':
    case 'tls':
      return connectionBytes;
    case 'voice':
      return (result.body.sentCount + result.body.receivedCount) * result.body.packetBytes;
  }
};

const sum = (values: readonly number[]): number => values.reduce((total, each) => total + each, 0);
