import { readFileSync, statSync } from 'node:fs';
import { UserId } from '#contract/access.ts';
import { check } from '#contract/check.ts';
import { ConfigError } from '#runtime/config.ts';
import type { Log } from '#runtime/log.ts';
import { type PasswordHash, parsePasswordHash } from './password.ts';

export type UsersFile = {
  find(user: string): PasswordHash | undefined;
  /** Another one whenever the file's content is another. */
  version(): number;
};

const lookEveryMs = 1_000;

/**
 * Users with their passwords, a line each: `name:$scrypt$…`, `#` before a comment. Read again when
 * it has changed; one that is broken leaves in force what was there.
 */
export const openUsersFile = (parts: {
  file: string;
  monotonicMs: () => number;
  log: Log;
}): UsersFile => {
  const { file } = parts;
  let users = parseUsers(file, read(file));
  let changedMs = changeOf(file);
  let lookedAtMs = parts.monotonicMs();
  let version = 0;

  const look = (): void => {
    if (parts.monotonicMs() - lookedAtMs < lookEveryMs) return;
    lookedAtMs = parts.monotonicMs();
    try {
      // Even to look may have been forbidden since.
      const seenMs = changeOf(file);
      if (seenMs === changedMs) return;
      changedMs = seenMs;
      users = parseUsers(file, read(file));
      version += 1;
    } catch (error) {
      parts.log.error({ component: 'clientless', err: error }, 'users file not loaded');
    }
  };
  return {
    find(user) {
      look();
      return users.get(user);
    },
    version() {
      look();
      return version;
    },
  };
};

const read = (file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`cannot read ${file}: ${(error as Error).message}`);
  }
};

const changeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;

export const parseUsers = (file: string, text: string): Map<string, PasswordHash> => {
  const users = new Map<string, PasswordHash>();
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const colon = line.indexOf(':');
    const [user, hash] = [line.slice(0, colon), parsePasswordHash(line.slice(colon + 1).trim())];
    if (colon < 0 || !check(UserId, user).ok || hash === undefined) {
      // Never the line itself: it holds a password, perhaps a plain one.
      throw new ConfigError(
        `${file}: line ${index + 1}: expected name:$scrypt$… as \`whyslow edge password NAME\` prints it`,
      );
    }
    users.set(user, hash);
  }
  return users;
};
