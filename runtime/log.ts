import { type Logger, pino } from 'pino';

/** `info` what changed, `warn` what was worked around, `error` what someone must do; a run is `debug`. */
export type Log = Logger;

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/**
 * A program's log: JSON lines on standard output, or on `descriptor` (2 for commands whose
 * standard output is their answer). Fixed message, variables as fields, `component` on every line.
 */
export const createLog = (program: string, level: LogLevel = 'info', descriptor = 1): Log =>
  pino(
    {
      level,
      base: { program },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: ['token', 'secret', 'authorization', 'headers.authorization', 'headers.cookie'],
    },
    pino.destination({ dest: descriptor, sync: true }),
  );

export const silentLog = (): Log => pino({ level: 'silent' });
