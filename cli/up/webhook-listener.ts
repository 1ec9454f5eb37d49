import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncidentMessage, WebhookMessage } from '#contract/webhook.ts';

export type ReceivedWebhook = {
  message: WebhookMessage | IncidentMessage;
  signatureValid: boolean;
};

/**
 * A receiver on this machine, so that `npm start` shows a webhook arriving. It checks what any
 * receiver should: the signature over id, timestamp and body, and that an id counts once.
 */
export const startWebhookListener = async (options: {
  port: number;
  secret: string;
  onMessage: (received: ReceivedWebhook) => void;
}): Promise<{ url: string; stop(): Promise<void> }> => {
  const seen = new Set<string>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      if (chunks.reduce((sum, { length }) => sum + length, 0) > 1_000_000) request.destroy();
    });
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8');
      const header = (name: string) => String(request.headers[name] ?? '');
      const id = header('webhook-id');
      const signatureValid = isSigned(
        options.secret,
        `${id}.${header('webhook-timestamp')}.${body}`,
        header('webhook-signature'),
      );
      response.writeHead(signatureValid ? 204 : 401).end();
      if (signatureValid && seen.has(id)) return;
      seen.add(id);
      if (signatureValid)
        options.onMessage({
          message: JSON.parse(body) as ReceivedWebhook['message'],
          signatureValid,
        });
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${options.port}/`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};

const isSigned = (secret: string, content: string, header: string): boolean => {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const expected = createHmac('sha256', key).update(content).digest();
  return header.split(' ').some((entry) => {
    const [version, value = ''] = entry.split(',');
    const given = Buffer.from(value, 'base64');
    return version === 'v1' && given.length === expected.length && timingSafeEqual(given, expected);
  });
};
