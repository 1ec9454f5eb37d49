import http2, { type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Limits } from './limits.ts';
import type { Meter } from './meter.ts';

const { NGHTTP2_NO_ERROR: noError, NGHTTP2_INTERNAL_ERROR: ourReset } = http2.constants;

/**
 * Counts what a client does that costs the edge more than it costs the client: flows it breaks off
 * (CVE-2023-44487) and requests that are none. Its next flows are refused for too much of it.
 */
export const createConduct = (parts: {
  limits: Pick<Limits, 'note'>;
  meter: Pick<Meter, 'reset'>;
}) => {
  const note = (client: string | undefined, kind: 'reset' | 'mistake') => {
    if (client !== undefined) parts.limits.note(client, kind);
  };
  return {
    /**
     * Undefined: not known, and no name is made up for it. What is noted under a name by which no flow
     * is ever asked for would refuse nothing and stay for ever.
     */
    watchSession(session: ServerHttp2Session, clientOf: () => string | undefined): void {
      session.once('error', () => note(clientOf(), 'mistake'));
    },
    watchStream(stream: ServerHttp2Stream, clientOf: () => string | undefined): void {
      const { session } = stream;
      stream.once('close', () => {
        if (stream.sentHeaders?.[':status'] === 400) note(clientOf(), 'mistake');
        // When the connection is gone all its streams end with an error.
        if (stream.rstCode === noError || stream.rstCode === ourReset || session?.destroyed) return;
        parts.meter.reset();
        note(clientOf(), 'reset');
      });
    },
  };
};
