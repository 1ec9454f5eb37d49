import http from 'node:http';
import https from 'node:https';

/** Enough to see what a receiver complains about; more of its words are not kept. */
const excerptLength = 200;

export type Posted =
  | { answered: true; status: number; excerpt: string; retryAfter: string | undefined }
  | { answered: false; reason: string };

/**
 * One POST on a connection of its own. Redirects are not followed: the address is the operator's
 * to give. Not reaching the receiver is an outcome, not an exception.
 */
export const post = (request: {
  url: string;
  headers: Record<string, string>;
  body: string;
  timeoutMs: number;
  signal: AbortSignal;
}): Promise<Posted> =>
  new Promise((resolve) => {
    const send = request.url.startsWith('https:') ? https.request : http.request;
    const deadline = AbortSignal.timeout(request.timeoutMs);
    const outgoing = send(
      request.url,
      {
        method: 'POST',
        agent: false,
        signal: AbortSignal.any([deadline, request.signal]),
        headers: {
          ...request.headers,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(request.body),
          'user-agent': 'whyslow-webhook/1',
        },
      },
      (answer) => {
        // The status decides; a body that breaks off changes nothing about it.
        const done = () =>
          resolve({
            answered: true,
            status: answer.statusCode ?? 0,
            excerpt: text.slice(0, excerptLength),
            retryAfter: answer.headers['retry-after'],
          });
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk: string) => {
          text += chunk;
          if (text.length >= excerptLength) answer.destroy();
        });
        answer.on('close', done).on('error', done);
      },
    );
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      const reason = deadline.aborted
        ? `no answer within ${request.timeoutMs} ms`
        : (error.code ?? error.message);
      resolve({ answered: false, reason: reason.slice(0, excerptLength) });
    });
    outgoing.end(request.body);
  });
