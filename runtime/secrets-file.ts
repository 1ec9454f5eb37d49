import { readFileSync, statSync } from 'node:fs';
import { Type } from '@sinclair/typebox';
import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml';
import { check } from '#contract/check.ts';
import { SecretName } from '#contract/page-step.ts';
import { ConfigError } from './config.ts';

/** Shorter ones cannot be taken out of text again without taking other words with them. */
const Secret = Type.String({
  minLength: 4,
  maxLength: 1_000,
  description: 'text of 4 to 1,000 characters; numbers in quotes',
});

const Origin = Type.String({
  pattern: '^https?://[^/?#@\\s]+$',
  maxLength: 300,
});
const Bound = Type.Object(
  { value: Secret, origins: Type.Array(Origin, { minItems: 1, maxItems: 20 }) },
  { additionalProperties: false },
);

/** `origins`: into whose pages alone it may be typed; left out: into those of the probe's own URL. */
export type FileSecret = { value: string; origins?: readonly string[] };

/**
 * Secrets by name, from a YAML or JSON file that only its owner may read. Throws ConfigError where
 * it cannot be used; later, when it has become unusable, there are no secrets until it is put right.
 * Read anew each time: one that was changed counts at once.
 */
export const openSecrets = (
  path: string,
  onProblem: (reason: string) => void = () => {},
): ((name: string) => FileSecret | undefined) => {
  readSecrets(path);
  return (name) => {
    try {
      const secrets = readSecrets(path);
      return secrets.get(name);
    } catch (error) {
      onProblem((error as Error).message);
      return undefined;
    }
  };
};

const readSecrets = (path: string): Map<string, FileSecret> => {
  refuseOpenFile(path);
  const lines = new LineCounter();
  const document = parseDocument(readText(path), { lineCounter: lines, prettyErrors: false });
  const [mistake] = [...document.errors, ...document.warnings];
  if (mistake !== undefined) {
    throw new ConfigError(`${path}: ${placeOf(lines, mistake.pos[0])}: ${mistake.code}`);
  }
  if (document.contents === null) return new Map();
  if (!isMap(document.contents)) throw new ConfigError(`${path}: expected ${expectedLines}`);
  const secrets = new Map<string, FileSecret>();
  for (const { key, value } of document.contents.items) {
    const read = readSecret(isScalar(key) ? key.value : undefined, plainOf(value, document));
    const at = isNode(key) ? (key.range?.[0] ?? 0) : 0;
    if (typeof read === 'string') throw new ConfigError(`${path}: ${placeOf(lines, at)}: ${read}`);
    secrets.set(read.name, read.secret);
  }
  return secrets;
};

const expectedLines = 'lines as `NAME: secret`';

/** Undefined: an alias of what is nowhere, which the parser tells late and by its name. */
const plainOf = (value: unknown, document: Document.Parsed): unknown => {
  try {
    return isNode(value) ? value.toJS(document) : value;
  } catch {
    return undefined;
  }
};

/** A reason is never in the words of the parser or of the file: any of them may be the secret. */
const readSecret = (
  name: unknown,
  value: unknown,
): { name: string; secret: FileSecret } | string => {
  const checkedName = check(SecretName, name);
  if (!checkedName.ok) return `no name of a secret: ${SecretName.description}`;
  const text = check(Secret, value);
  if (text.ok) return { name: checkedName.value, secret: { value: text.value } };
  const bound = check(Bound, value);
  const origins = bound.ok ? bound.value.origins : [];
  if (bound.ok && origins.every((one) => URL.canParse(one))) {
    const secret = { value: bound.value.value, origins: origins.map((one) => new URL(one).origin) };
    return { name: checkedName.value, secret };
  }
  return (
    `expected ${expectedLines} or \`NAME: { value: secret, origins: [https://login.example.com] }\`, ` +
    `the secret a ${Secret.description}`
  );
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
