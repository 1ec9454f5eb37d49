import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

/** A config that cannot be used: the message names the field and the fix. Programs end with it. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

/** The only reader of the environment. Empty counts as not set. */
export const environment = (name: string): string | undefined => {
  const value = process.env[name];
  return value === undefined || value === '' ? undefined : value;
};

/** The environment for a child process, with additions. */
export const childEnvironment = (additions: Record<string, string>): NodeJS.ProcessEnv => ({
  ...process.env,
  ...additions,
});

/** Reads a YAML or JSON file; a syntax error names the file and the line. */
export const readConfigFile = (path: string): unknown => {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(`cannot read ${path}: ${(error as Error).message}`);
  }
  try {
    return parse(text, { prettyErrors: true });
  } catch (error) {
    throw new ConfigError(`${path}: ${(error as Error).message}`);
  }
};
