import { get } from 'node:https';
import { type Static, Type } from '@sinclair/typebox';
import { check } from '#contract/check.ts';
import { parseJson } from '#runtime/collector-request.ts';

/** RFC 8908 §5; more members may be there. */
const Answer = Type.Object({
  captive: Type.Boolean(),
  'user-portal-url': Type.Optional(Type.String({ maxLength: 2_048 })),
});

/** What the network itself says about its portal; null: nothing that can be understood. */
export type PortalAnswer = { isCaptive: boolean; url: string | null };

const timeoutMs = 3_000;
const maxBytes = 64_000;

/**
 * Asks the API that the network announced (RFC 8910). It has to prove its name by a certificate the
 * system trusts (RFC 8908 §4.1): what an impostor says is not heard.
 */
export const askPortalApi = (
  url: string,
  options: { ca?: string } = {},
): Promise<PortalAnswer | null> =>
  new Promise((resolve) => {
    if (!URL.canParse(url) || new URL(url).protocol !== 'https:') return resolve(null);
    const headers = { accept: 'application/captive+json' };
    let text = '';
    const request = get(url, { ...options, headers, agent: false }, (response) => {
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        if (text.length > maxBytes) request.destroy(new Error('too long'));
      });
      response.on('error', () => resolve(null));
      response.on('end', () => resolve(response.statusCode === 200 ? read(text) : null));
    });
    const timer = setTimeout(() => request.destroy(new Error('no answer')), timeoutMs);
    request.on('error', () => resolve(null));
    request.on('close', () => clearTimeout(timer));
  });

const read = (text: string): PortalAnswer | null => {
  const checked = check(Answer, parseJson(text));
  if (!checked.ok) return null;
  const { captive, 'user-portal-url': url }: Static<typeof Answer> = checked.value;
  return { isCaptive: captive, url: url ?? null };
};
