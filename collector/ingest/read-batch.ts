import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { check } from '#contract/check.ts';
import { Batch } from '#contract/telemetry.ts';
import { Problem } from '../http/problems.ts';

/** What a batch may inflate to: 5,000 results of 13 kB. gzip makes up to 1,000 of 1. */
export const maxInflatedBytes = 64 * 1024 * 1024;

const inflate = promisify(gunzip);

/** From the bytes of a request to a batch whose envelope is right; its records are still unknown. */
export const readBatch = async (body: Buffer, encoding: string | undefined): Promise<Batch> => {
  const text = (await decode(body, encoding)).toString('utf8');
  const checked = check(Batch, parseJson(text));
  if (!checked.ok) throw new Problem('invalid-fields', { errors: checked.mistakes });
  return checked.value;
};

const decode = async (body: Buffer, encoding = 'identity'): Promise<Buffer> => {
  switch (encoding.trim().toLowerCase()) {
    case 'identity':
      return body;
    case 'gzip':
      return inflateBounded(body);
    default:
      throw new Problem('unsupported-media-type', { detail: 'Content-Encoding: gzip, or none' });
  }
};

/** Stops at the limit, so that a bomb costs its limit and no more. */
const inflateBounded = async (body: Buffer): Promise<Buffer> => {
  try {
    return await inflate(body, { maxOutputLength: maxInflatedBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      const detail = `the batch inflates to more than ${maxInflatedBytes} bytes: send smaller ones`;
      throw new Problem('body-too-large', { detail });
    }
    throw new Problem('bad-request', { detail: 'the body is not whole gzip' });
  }
};

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem('bad-request', { detail: 'the body is not JSON' });
  }
};
