import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { endToEnd } from '#contract/end-to-end.ts';
import { parseEdgeTiming } from '#contract/server-timing.ts';
import { asByteStream } from './byte-stream.ts';
import { notOpened, type Opened } from './open.ts';

/** Sends a plain http:// request on an opened flow and passes the answer on; ends with it. */
export const forwardPlain = (
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  flow: Opened,
): Promise<void> =>
  new Promise((resolve) => {
    response.once('close', () => {
      if (!response.writableFinished) flow.reset();
      resolve();
    });
    let hasAnswer = false;
    const fail = (message: string): void => {
      hasAnswer = true;
      flow.stream.destroy();
      if (response.headersSent) return void response.destroy();
      const refusal = notOpened(502, 'http_protocol_error', message);
      response.writeHead(refusal.status, { ...refusal.headers, 'content-type': 'text/plain' });
      response.end(refusal.body);
    };
    const count = (chunk: Buffer) => flow.moved(chunk.length);
    const outgoing = httpRequest({
      method: request.method,
      path: `${url.pathname}${url.search}`,
      headers: { ...requestHeaders(request), host: url.host, connection: 'close' },
      createConnection: () => asByteStream(flow.stream),
    });
    outgoing.on('error', (error) => fail(error.message));
    // Without a listener Node drops the connection and tells nobody.
    outgoing.on('upgrade', () => fail('the origin changed protocols unasked'));
    outgoing.on('close', () => hasAnswer || fail('closed without an answer'));
    outgoing.on('response', (answer) => {
      hasAnswer = true;
      answer.on('data', count);
      answer.on('error', () => response.destroy());
      const status = answer.statusCode ?? 0;
      // Node refuses to send a status below 100; one below 200 is no answer.
      if (status < 200) return fail(`the origin answered with status ${status}`);
      try {
        response.writeHead(status, { ...answerHeaders(answer), ...flow.headers });
      } catch (error) {
        return fail((error as Error).message);
      }
      return answer.pipe(response);
    });
    request.on('data', count);
    request.pipe(outgoing);
  });

/** Without a length, Node frames the body of a GET or DELETE only when told to. */
const requestHeaders = ({ headers }: IncomingMessage): Record<string, string | string[]> => ({
  ...endToEnd(headers),
  ...(headers['transfer-encoding'] === undefined ? {} : { 'transfer-encoding': 'chunked' }),
});

/** What only the agent and its edges say (Proxy-Status, an edge's timing) no origin says for them. */
const answerHeaders = ({ headers }: IncomingMessage): Record<string, string | string[]> => {
  const { 'proxy-status': _ours, 'server-timing': timing, ...rest } = endToEnd(headers);
  const isEdges = timing === undefined || parseEdgeTiming(String(timing)) !== null;
  return isEdges ? rest : { ...rest, 'server-timing': timing };
};
