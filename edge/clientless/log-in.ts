import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Limits } from '../limits.ts';
import { type Refusal, refuse } from '../refusal.ts';
import { nobodysHash, verifyPassword } from './password.ts';
import type { UsersFile } from './users-file.ts';

/** Who asks, by `Proxy-Authorization`; or why it is not known. */
export type LogIn = (
  authorization: string | undefined,
  address: string,
) => Promise<{ client: string } | Refusal>;

/** The client id of a user without a device: what limits and policy go by. */
export const clientOfUser = (user: string): string => `user:${user}`;

/** A browser sends its password with every request: one that was right is not derived again so soon. */
const rememberMs = 300_000;
const mostRemembered = 10_000;

/**
 * Basic authentication (RFC 7617) for browsers without an agent. Wrong passwords are counted for each
 * address and each user, over all processes; a session that was right before goes on meanwhile.
 */
export const createLogIn = (parts: {
  users: UsersFile;
  limits: Pick<Limits, 'spend' | 'note'>;
  monotonicMs: () => number;
}): LogIn => {
  const { users, limits } = parts;
  const key = randomBytes(32);
  const known = new Map<string, { digest: Buffer; untilMs: number; version: number }>();
  const digestOf = (user: string, password: string): Buffer =>
    createHmac('sha256', key).update(`${user}\0${password}`).digest();

  const isKnown = (user: string, password: string): boolean => {
    const before = known.get(user);
    if (!before || before.untilMs < parts.monotonicMs()) return false;
    if (before.version !== users.version()) return false;
    return timingSafeEqual(before.digest, digestOf(user, password));
  };
  const remember = (user: string, password: string): void => {
    if (known.size >= mostRemembered) known.clear();
    const untilMs = parts.monotonicMs() + rememberMs;
    known.set(user, { digest: digestOf(user, password), untilMs, version: users.version() });
  };
  const isRight = async (user: string, password: string): Promise<boolean> => {
    const hash = users.find(user);
    const isSame = await verifyPassword(password, hash ?? nobodysHash);
    return hash !== undefined && isSame;
  };

  return async (authorization, address) => {
    const given = parseBasic(authorization);
    if (!given) return { ...refuse('http_request_denied', 'log in'), status: 407 };
    const { user, password } = given;
    if (isKnown(user, password)) return { client: clientOfUser(user) };
    // A try is taken before it is made, so that many at once are no way round the limit.
    const tries = [`from ${address}`, `as ${user}`];
    const over = await Promise.all(tries.map((name) => limits.spend(name, 'login')));
    const exhausted = over.find((answer) => answer !== null);
    if (exhausted) return refuse('connection_limit_reached', `too many ${exhausted}`);
    if (!(await isRight(user, password))) {
      return { ...refuse('http_request_denied', 'wrong name or password'), status: 407 };
    }
    for (const name of tries) limits.note(name, 'login', -1);
    remember(user, password);
    return { client: clientOfUser(user) };
  };
};

/** Undefined: none, or none that can be read. Names are lower-case, as the policy has them. */
const parseBasic = (header: string | undefined): { user: string; password: string } | undefined => {
  const [, encoded] = /^basic +([\w+/=-]+) *$/i.exec(header ?? '') ?? [];
  if (encoded === undefined || encoded.length > 1_024) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 1) return undefined;
  return { user: text.slice(0, colon).toLowerCase(), password: text.slice(colon + 1) };
};
