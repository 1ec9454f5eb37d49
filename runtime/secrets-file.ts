import { readFileSync, statSync } from 'node:fs';
import { Type } from '@sinclair/typebox';
import { isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml';
import { check } from '#contract/check.ts';
import { SecretName } from '#contract/page-step.ts';
import { ConfigError } from './config.ts';

/** Shorter ones cannot be taken out of text again without taking other words with them. */
const Secret = Type.String({
  minLength: 4,
  maxLength: 1_000,
  description: 'text of 4 to 1,000 characters; numbers in quotes',
});

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
  const lines = new LineCounter();
  const document = parseDocument(readText(path), { lineCounter: lines, prettyErrors: false });
  const [mistake] = [...document.errors, ...document.warnings];
  if (mistake !== undefined) {
    throw new ConfigError(`${path}: ${placeOf(lines, mistake.pos[0])}: ${mistake.code}`);
  }
  if (document.contents === null) return {};
  if (!isMap(document.contents)) throw new ConfigError(`${path}: expected ${expectedLines}`);
  for (const { key, value } of document.contents.items) {
    const reason = mistakeOf(isScalar(key) ? key.value : undefined, isScalar(value) && value.value);
    const at = isNode(key) ? (key.range?.[0] ?? 0) : 0;
    if (reason !== undefined) throw new ConfigError(`${path}: ${placeOf(lines, at)}: ${reason}`);
  }
  return document.toJS() as Record<string, string>;
};

const expectedLines = 'lines as `NAME: secret`';

/** Never in the words of the parser or of the file: any of them may be the secret. */
const mistakeOf = (name: unknown, value: unknown): string | undefined => {
  if (!check(SecretName, name).ok) return `no name of a secret: ${SecretName.description}`;
  return check(Secret, value).ok
    ? undefined
    : `expected ${expectedLines}, the secret a ${Secret.description}`;
};

const placeOf = (lines: LineCounter, offset: number): string => {
  const { line, col } = lines.linePos(offset);
  return `line ${line}, column ${col}`;
};

const readText = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(`cannot read ${path}: ${(error as Error).message}`);
  }
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
