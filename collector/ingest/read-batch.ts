import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { checkOpen } from '#contract/check.ts';
import { Batch } from '#contract/telemetry.ts';
import { Problem } from '../http/problems.ts';
import { refuseCostlyJson } from './json-cost.ts';

/** What a batch may inflate to. Agents and edges send at most 500 records or about 1 MB of JSON. */
export const maxInflatedBytes = 16 * 1024 * 1024;

/** Real batches shrink to a tenth. Small bodies are let be, whatever they unfold to. */
const maxRatio = 200;
const anyRatioBytes = 1024 * 1024;

const inflate = promisify(gunzip);

/** From the bytes of a request to a batch whose envelope is right; its records are still unknown. */
export const readBatch = async (body: Buffer, encoding: string | undefined): Promise<Batch> => {
  const bytes = await decode(body, encoding);
  refuseCostlyJson(bytes);
  const value = parseJson(bytes.toString('utf8'));
  refuseTooMany(value);
  const checked = checkOpen(Batch, value);
  if (!checked.ok) throw new Problem('invalid-fields', { errors: checked.mistakes });
  return checked.value;
};

/** The schema says so too, but only after it has looked at each of them. */
const refuseTooMany = (value: unknown): void => {
  const records = (value as { records?: unknown } | null)?.records;
  const limit = Batch.properties.records.maxItems ?? 0;
  if (!Array.isArray(records) || records.length <= limit) return;
  const detail = `${records.length} records: send at most ${limit} in a batch`;
  throw new Problem('body-too-large', { detail });
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

/** What a body may inflate to; more is refused. */
export const inflatesTo = (body: Buffer): number =>
  Math.min(maxInflatedBytes, Math.max(anyRatioBytes, body.length * maxRatio));

/** Stops at the limit, so that a bomb costs its limit and no more. */
const inflateBounded = async (body: Buffer): Promise<Buffer> => {
  const limit = inflatesTo(body);
  try {
    return await inflate(body, { maxOutputLength: limit, chunkSize: chunkFor(body, limit) });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      const detail = `the batch inflates to more than ${limit} bytes: send smaller ones`;
      throw new Problem('body-too-large', { detail });
    }
    throw new Problem('bad-request', { detail: 'the body is not whole gzip' });
  }
};

/**
 * All at once where gzip says how much it is (RFC 1952, ISIZE: the last four bytes): each piece is a
 * way to another thread and back. Whoever lies there gets more pieces, or what the limit allows.
 */
const chunkFor = (body: Buffer, limit: number): number => {
  const told = body.length < 18 ? 0 : body.readUInt32LE(body.length - 4);
  return Math.min(limit, Math.max(leastChunkBytes, told + 1));
};
const leastChunkBytes = 16 * 1024;

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem('bad-request', { detail: 'the body is not JSON' });
  }
};
