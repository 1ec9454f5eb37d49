import { statSync } from 'node:fs';
import { Type } from '@sinclair/typebox';
import { check, explain } from '#contract/check.ts';
import { SecretName } from '#contract/page-step.ts';
import { ConfigError, readConfigFile } from './config.ts';

/** Shorter ones cannot be taken out of text again without taking other words with them. */
const Secret = Type.String({
  minLength: 4,
  maxLength: 1_000,
  description: 'text of 4 to 1,000 characters; numbers in quotes',
});
const Secrets = Type.Record(Type.String(), Secret);

/**
 * Secrets by name, from a YAML or JSON file that only its owner may read. Throws ConfigError where
 * it cannot be used; later, when it has become unusable, there are no secrets until it is put right.
 * Read anew each time: one that was changed counts at once.
 */
export const openSecrets = (
  path: string,
  onProblem: (reason: string) => void = () => {},
): ((name: string) => string | undefined) => {
  readSecrets(path);
  return (name) => {
    try {
      const secrets = readSecrets(path);
      return Object.hasOwn(secrets, name) ? secrets[name] : undefined;
    } catch (error) {
      onProblem((error as Error).message);
      return undefined;
    }
  };
};

const readSecrets = (path: string): Record<string, string> => {
  refuseOpenFile(path);
  const checked = check(Secrets, readConfigFile(path) ?? {});
  if (!checked.ok) {
    throw new ConfigError(
      `${path}: expected lines as \`NAME: secret\`\n${explain(checked.mistakes)}`,
    );
  }
  const bad = Object.keys(checked.value).find((name) => !check(SecretName, name).ok);
  if (bad !== undefined) {
    throw new ConfigError(`${path}: “${bad}” is no name of a secret: ${SecretName.description}`);
  }
  return checked.value;
};

const refuseOpenFile = (path: string): void => {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw new ConfigError(`secretsFile: there is no file ${path}`);
  // Windows keeps who may read elsewhere.
  if (process.platform === 'win32') return;
  const own = process.getuid?.();
  if (found.uid !== own && found.uid !== 0) {
    throw new ConfigError(`secretsFile: ${path} belongs to another user: chown it to this one`);
  }
  if ((found.mode & 0o077) !== 0) {
    const mode = (found.mode & 0o777).toString(8).padStart(4, '0');
    throw new ConfigError(
      `secretsFile: ${path} has mode ${mode}, others may use it: chmod 0600 it`,
    );
  }
};
