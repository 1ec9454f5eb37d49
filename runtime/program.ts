import { parseArgs } from 'node:util';
import type { Static, TSchema } from '@sinclair/typebox';
import { check, explain } from '#contract/check.ts';
import { ConfigError, environment, readConfigFile } from './config.ts';
import { createLog, type Log, type LogLevel, logLevels } from './log.ts';
import { type Running, runUntilSignal } from './service.ts';

/** A program's main: `[--config FILE] [--log-level LEVEL] [--with-parent]`, then until a signal. */
export const runProgram = async <C>(program: {
  name: string;
  argv: readonly string[];
  readConfig: (path: string | undefined) => C;
  start: (config: C, parts: { log: Log }) => Promise<Running>;
}): Promise<void> => {
  const { values } = parseArgs({
    args: [...program.argv],
    options: {
      config: { type: 'string' },
      'log-level': { type: 'string', default: 'info' },
      'with-parent': { type: 'boolean', default: false },
    },
  });
  const level = values['log-level'];
  if (!isLogLevel(level)) {
    throw new ConfigError(`--log-level ${level}: expected one of ${logLevels.join(', ')}`);
  }
  const config = program.readConfig(values.config);
  const log = createLog(program.name, level);
  const withParent = values['with-parent'];
  await runUntilSignal(() => program.start(config, { log }), { log, withParent });
};

const isLogLevel = (text: string): text is LogLevel =>
  (logLevels as readonly string[]).includes(text);

/**
 * The config of a program that enrols: the file over the defaults, the environment over the file.
 * Throws ConfigError naming field and fix.
 */
export const readEnrolledConfig = <T extends TSchema>(parts: {
  what: string;
  path: string;
  schema: T;
  defaults: Record<string, unknown>;
  /** Settings that may come from the environment, with their variables. */
  variables: Record<string, string>;
}): Static<T> => {
  const { path } = parts;
  const file = readConfigFile(path) ?? {};
  if (typeof file !== 'object' || Array.isArray(file)) {
    throw new ConfigError(`${path}: expected a mapping of settings`);
  }
  const set = Object.entries(parts.variables)
    .map(([field, variable]) => [field, environment(variable)] as const)
    .filter(([, value]) => value !== undefined);
  const merged = { ...parts.defaults, ...file, ...Object.fromEntries(set) };
  const config = check(parts.schema, merged);
  if (!config.ok) {
    throw new ConfigError(
      `${path} is not a usable ${parts.what} config:\n${explain(config.mistakes)}`,
    );
  }
  if ('enrollmentToken' in merged && 'enrollmentTokenFile' in merged) {
    throw new ConfigError(
      `${path}: enrollmentToken and enrollmentTokenFile are both given (by file or environment): give one`,
    );
  }
  return config.value;
};

/** Variables that every program that enrols reads. */
export const enrolledVariables = {
  stateFolder: 'WHYSLOW_STATE_FOLDER',
  collectorUrl: 'WHYSLOW_COLLECTOR_URL',
  enrollmentToken: 'WHYSLOW_ENROLLMENT_TOKEN',
  enrollmentTokenFile: 'WHYSLOW_ENROLLMENT_TOKEN_FILE',
} as const;
