import { createHmac } from 'node:crypto';

/**
 * The headers a receiver checks, after the Standard Webhooks specification: HMAC-SHA256 with the
 * secret's bytes over `id.timestamp.body`. The time is the attempt's, the id the message's.
 */
export const signatureHeaders = (message: {
  secret: string;
  id: string;
  atMs: number;
  body: string;
}): Record<string, string> => {
  const timestamp = Math.floor(message.atMs / 1_000);
  const key = Buffer.from(message.secret.slice('whsec_'.length), 'base64');
  const signature = createHmac('sha256', key)
    .update(`${message.id}.${timestamp}.${message.body}`)
    .digest('base64');
  return {
    'webhook-id': message.id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': `v1,${signature}`,
  };
};
