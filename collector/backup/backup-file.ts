import { createCipheriv, createDecipheriv, createHash, randomBytes, scryptSync } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { PassThrough, Readable, type Transform, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { type Static, Type } from '@sinclair/typebox';
import { check } from '#contract/check.ts';

/** What cannot be read as a back-up: the message says why, and that nothing was changed. */
export class BadBackup extends Error {
  override name = 'BadBackup';
}

const magic = 'whyslow-backup';
const [tagBytes, sumBytes] = [16, 32];
/** 64 MB and about 0.2 s for each guess at a passphrase. */
const scryptCost = { N: 65_536, r: 8, p: 1, maxmem: 128 * 1_024 * 1_024 };

const Hex = Type.String({ pattern: '^[0-9a-f]+$' });
const Header = Type.Object({
  format: Type.Literal(magic),
  version: Type.Literal(1),
  createdAt: Type.Integer(),
  program: Type.String(),
  encryption: Type.Optional(
    Type.Object({ kind: Type.Literal('scrypt+aes-256-gcm'), salt: Hex, nonce: Hex }),
  ),
});
export type BackupHeader = Static<typeof Header>;

/**
 * One file: a line of JSON that says what it is; gzip of lines, encrypted where there is a passphrase
 * (AES-256-GCM, its key by scrypt, the first line as additional data); and the SHA-256 of all that
 * stands before it, so that any damage is found before a row is read.
 */
export const writeBackup = async (
  path: string,
  about: { createdAt: number; program: string; passphrase: string | undefined },
  fill: (line: (text: string) => Promise<void>) => Promise<void>,
): Promise<void> => {
  const { createdAt, program, passphrase } = about;
  const salts = { salt: randomBytes(16).toString('hex'), nonce: randomBytes(12).toString('hex') };
  const header: BackupHeader = {
    format: magic,
    version: 1,
    createdAt,
    program,
    ...(passphrase === undefined
      ? {}
      : { encryption: { kind: 'scrypt+aes-256-gcm', ...salts } as const }),
  };
  const head = `${JSON.stringify(header)}\n`;
  const file = await open(path, 'wx', 0o600);
  const sum = createHash('sha256');
  const put = async (bytes: Buffer): Promise<void> => {
    sum.update(bytes);
    await file.writeFile(bytes);
  };
  try {
    await put(Buffer.from(head));
    const lines = new PassThrough();
    const cipher = passphrase === undefined ? undefined : encrypt(passphrase, salts, head);
    const sink = new Writable({
      write: (chunk: Buffer, _encoding, done) => void put(chunk).then(() => done(), done),
    });
    const stages: Transform[] = cipher ? [createGzip(), cipher] : [createGzip()];
    const written = pipeline([lines, ...stages, sink]);
    await Promise.all([written, fillStream(lines, fill)]);
    if (cipher) await put(cipher.getAuthTag());
    await file.writeFile(sum.digest());
    await file.sync();
  } finally {
    await file.close();
  }
};

const fillStream = async (
  lines: PassThrough,
  fill: (line: (text: string) => Promise<void>) => Promise<void>,
): Promise<void> => {
  try {
    await fill(async (text) => {
      if (lines.write(`${text}\n`)) return;
      await new Promise<void>((resolve, reject) => {
        lines.once('drain', resolve).once('error', reject).once('close', resolve);
      });
    });
    lines.end();
  } catch (error) {
    lines.destroy(error as Error);
    throw error;
  }
};

/** Checks the whole file first; then its lines. */
export const readBackup = async (
  path: string,
  passphrase: string | undefined,
): Promise<{ header: BackupHeader; lines: () => AsyncIterable<string> }> => {
  const { size } = await stat(path);
  const head = await readHead(path);
  await checkSum(path, size);
  const { header, bytes } = head;
  if (header.encryption !== undefined && passphrase === undefined) {
    throw new BadBackup('the back-up is encrypted: give its passphrase');
  }
  const end = size - sumBytes - (header.encryption === undefined ? 0 : tagBytes);
  if (bytes >= end) throw new BadBackup('the back-up is cut short');
  return {
    header,
    lines: () => readLines(path, { header, start: bytes, end, passphrase: passphrase ?? '' }),
  };
};

const readLines = async function* (
  path: string,
  at: { header: BackupHeader; start: number; end: number; passphrase: string },
): AsyncIterable<string> {
  const { header, start, end } = at;
  const source = createReadStream(path, { start, end: end - 1 });
  const stages: Transform[] = [createGunzip()];
  if (header.encryption !== undefined) {
    const head = await readBytes(path, 0, start);
    const decipher = decrypt(at.passphrase, header.encryption, head.toString());
    decipher.setAuthTag(await readBytes(path, end, tagBytes));
    stages.unshift(decipher);
  }
  const text = new PassThrough();
  const read = pipeline([source, ...stages, text]);
  // Told below: an unread failure must not end the process meanwhile.
  read.catch(() => undefined);
  try {
    yield* createInterface({ input: Readable.from(text), crlfDelay: Number.POSITIVE_INFINITY });
    await read;
  } catch (error) {
    throw new BadBackup(
      header.encryption === undefined
        ? `the back-up cannot be read: ${(error as Error).message}`
        : 'the back-up cannot be decrypted: the passphrase is another one',
      { cause: error },
    );
  } finally {
    source.destroy();
  }
};

type Salts = { salt: string; nonce: string };

const keyOf = (passphrase: string, salt: string): Buffer =>
  scryptSync(passphrase.normalize('NFKC'), Buffer.from(salt, 'hex'), 32, scryptCost);

const encrypt = (passphrase: string, { salt, nonce }: Salts, head: string) =>
  createCipheriv('aes-256-gcm', keyOf(passphrase, salt), Buffer.from(nonce, 'hex')).setAAD(
    Buffer.from(head),
  );

const decrypt = (passphrase: string, { salt, nonce }: Salts, head: string) =>
  createDecipheriv('aes-256-gcm', keyOf(passphrase, salt), Buffer.from(nonce, 'hex')).setAAD(
    Buffer.from(head),
  );

const readHead = async (path: string): Promise<{ header: BackupHeader; bytes: number }> => {
  const start = await readBytes(path, 0, 1_024);
  const end = start.indexOf('\n');
  const notOurs = new BadBackup('this is no back-up of whyslow, or its first line is damaged');
  if (end < 0) throw notOurs;
  let value: unknown;
  try {
    value = JSON.parse(start.subarray(0, end).toString());
  } catch {
    throw notOurs;
  }
  const { format, version } = (value ?? {}) as { format?: unknown; version?: unknown };
  if (format === magic && version !== 1) {
    throw new BadBackup(`the back-up has format ${version}; this whyslow reads format 1`);
  }
  const checked = check(Header, value);
  if (!checked.ok) throw notOurs;
  return { header: checked.value, bytes: end + 1 };
};

const checkSum = async (path: string, size: number): Promise<void> => {
  const sum = createHash('sha256');
  if (size <= sumBytes) throw new BadBackup('the back-up is cut short');
  for await (const chunk of createReadStream(path, { end: size - sumBytes - 1 })) {
    sum.update(chunk as Buffer);
  }
  const told = await readBytes(path, size - sumBytes, sumBytes);
  if (!sum.digest().equals(told)) {
    throw new BadBackup('the back-up is damaged: its SHA-256 is not the one it ends with');
  }
};

const readBytes = async (path: string, position: number, length: number): Promise<Buffer> => {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
};
