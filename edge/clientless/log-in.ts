import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Limits } from '../limits.ts';
import { type Refusal, refuse } from '../refusal.ts';
import { networkOf } from './network.ts';
import { nobodysHash, verifyPassword } from './password.ts';
import { createTurns } from './turns.ts';
import type { UsersFile } from './users-file.ts';

/** Who asks, by `Proxy-Authorization`; or why it is not known. */
export type LogIn = (authorization: string | undefined, address: string) => Promise<Answer>;

/** The client id of a user without a device: what limits and policy go by. */
export const clientOfUser = (user: string): string => `user:${user}`;

/** A browser sends its password with every request: one that was right is not derived again so soon. */
const rememberMs = 300_000;
const mostRemembered = 10_000;
/** Each takes 32 MB and one of Node's four threads, which names and files are waiting for too. */
const derivations = { atOnce: 2, mostWaiting: 16 };
/** Names that are not in the file share so many accounts: whoever invents names makes none. */
const nobodies = 256;

/**
 * Basic authentication (RFC 7617) for browsers without an agent. Wrong passwords are counted for each
 * network and each user, over all processes; a session that was right before goes on meanwhile.
 */
export const createLogIn = (parts: {
  users: UsersFile;
  limits: Pick<Limits, 'spend' | 'note'>;
  monotonicMs: () => number;
}): LogIn => {
  const { users, limits } = parts;
  const key = randomBytes(32);
  const inTurn = createTurns(derivations);
  const underWay = new Map<string, Promise<Answer>>();
  const known = new Map<string, { digest: Buffer; untilMs: number; version: number }>();
  const digestOf = (user: string, password: string): Buffer =>
    createHmac('sha256', key).update(`${user}\0${password}`).digest();

  const isKnown = (user: string, password: string): boolean => {
    const before = known.get(user);
    if (!before || before.untilMs < parts.monotonicMs()) return false;
    if (before.version !== users.version()) return false;
    return timingSafeEqual(before.digest, digestOf(user, password));
  };
  const remember = (user: string, password: string, version: number): void => {
    if (known.size >= mostRemembered) known.clear();
    const untilMs = parts.monotonicMs() + rememberMs;
    known.set(user, { digest: digestOf(user, password), untilMs, version });
  };
  const nobody = (user: string): string =>
    `(nobody ${digestOf(user, '').readUInt32BE() % nobodies})`;

  const tryOnce = async (from: string, user: string, password: string): Promise<Answer> => {
    // Taken before the try is made, so that many at once are no way round the limit. The network's
    // first: one that has none left takes nothing from the user.
    const overFrom = await limits.spend(from, 'login');
    if (overFrom) return tooMany(overFrom);
    const version = users.version();
    const hash = users.find(user);
    const account = `as ${hash ? user : nobody(user)}`;
    const overAs = await limits.spend(account, 'guess');
    if (overAs) return tooMany(overAs);
    const isSame = await inTurn(() => verifyPassword(password, hash ?? nobodysHash));
    if (isSame !== undefined && !(isSame && hash)) {
      return { ...refuse('http_request_denied', 'wrong name or password'), status: 407 };
    }
    limits.note(from, 'login', -1);
    limits.note(account, 'guess', -1);
    if (isSame === undefined) return tooMany('log-ins at once');
    remember(user, password, version);
    return { client: clientOfUser(user) };
  };

  return async (authorization, address) => {
    const given = parseBasic(authorization);
    if (!given) return { ...refuse('http_request_denied', 'log in'), status: 407 };
    const { user, password } = given;
    if (isKnown(user, password)) return { client: clientOfUser(user) };
    // A browser begins with many requests at once: the same password is tried once for all of them.
    const from = `from ${networkOf(address)}`;
    const same = `${from} ${digestOf(user, password).toString('base64')}`;
    const answer =
      underWay.get(same) ?? tryOnce(from, user, password).finally(() => underWay.delete(same));
    underWay.set(same, answer);
    return answer;
  };
};

type Answer = { client: string } | Refusal;

const tooMany = (what: string): Refusal => refuse('connection_limit_reached', `too many ${what}`);

/** Undefined: none, or none that can be read. Names are lower-case, as the policy has them. */
const parseBasic = (header: string | undefined): { user: string; password: string } | undefined => {
  const [, encoded] = /^basic +([\w+/=-]+) *$/i.exec(header ?? '') ?? [];
  if (encoded === undefined || encoded.length > 1_024) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 1) return undefined;
  return { user: text.slice(0, colon).toLowerCase(), password: text.slice(colon + 1) };
};
