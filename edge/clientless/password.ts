import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

/** A password as it lies in a users file: `$scrypt$ln=14,r=8,p=1$SALT$HASH` (PHC string format). */
export type PasswordHash = { costLog2: number; r: number; p: number; salt: Buffer; hash: Buffer };

/** OWASP's least for scrypt is N = 2^17 with p = 1; 2^15 with p = 3 costs a guess as much in 32 MB. */
const cost = { costLog2: 15, r: 8, p: 3 } as const;
const [saltBytes, hashBytes] = [16, 32];
/** 128 MB: a line that asks for more is a mistake. */
const mostBytes = 128 * 1_048_576;

export const hashPassword = async (password: string): Promise<string> => {
  const salt = randomBytes(saltBytes);
  const hash = await derive(password, { ...cost, salt, hash: Buffer.alloc(hashBytes) });
  const { costLog2, r, p } = cost;
  return `$scrypt$ln=${costLog2},r=${r},p=${p}$${base64(salt)}$${base64(hash)}`;
};

/** Undefined: it is no hash. */
export const parsePasswordHash = (text: string): PasswordHash | undefined => {
  const form = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([\w+/]{16,})\$([\w+/]{22,})$/;
  const [, ln, r, p, salt, hash] = form.exec(text) ?? [];
  if (salt === undefined || hash === undefined) return undefined;
  const made = {
    costLog2: Number(ln),
    r: Number(r),
    p: Number(p),
    salt: Buffer.from(salt, 'base64'),
    hash: Buffer.from(hash, 'base64'),
  };
  const isSane = made.costLog2 >= 10 && made.r > 0 && made.p > 0 && memoryOf(made) <= mostBytes;
  return isSane ? made : undefined;
};

/** Compares in constant time; about 0.2 s of a thread of the pool. */
export const verifyPassword = async (password: string, known: PasswordHash): Promise<boolean> =>
  timingSafeEqual(await derive(password, known), known.hash);

/** For names that are not there: to find that out takes as long as a wrong password. */
export const nobodysHash: PasswordHash = {
  ...cost,
  salt: Buffer.alloc(saltBytes),
  hash: Buffer.alloc(hashBytes),
};

const memoryOf = ({ costLog2, r }: { costLog2: number; r: number }) => 128 * 2 ** costLog2 * r;

const derive = (password: string, known: PasswordHash): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const { costLog2, r, p, salt, hash } = known;
    const options = { N: 2 ** costLog2, r, p, maxmem: memoryOf(known) * 2 };
    scrypt(password.normalize('NFC'), salt, hash.length, options, (error, key) =>
      error ? reject(error) : resolve(key),
    );
  });

const base64 = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');
