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
      serializers: { err: withoutValues },
      redact: ['token', 'secret', 'authorization', 'headers.authorization', 'headers.cookie'],
    },
    pino.destination({ dest: descriptor, sync: true }),
  );

export const silentLog = (): Log => pino({ level: 'silent' });

/**
 * An error without the values of the statement that failed: those of a refused insert are webhook
 * secrets and hashes of tokens, and what PostgreSQL calls `detail` is the row.
 */
const withoutValues = (error: unknown): unknown => {
  if (!(error instanceof Error)) return error;
  const {
    params: _,
    detail: __,
    where: ___,
    ...told
  } = pino.stdSerializers.err(error) as unknown as Record<string, unknown>;
  const { message, stack } = told;
  return { ...told, message: cut(error, message), stack: cut(error, stack) };
};

/** Of every error in the chain, which is told as one text, `Failed query: …` alone. */
const cut = (error: Error, text: unknown): unknown => {
  let kept = text;
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 10; depth += 1) {
    const values = at.message.indexOf('\nparams: ');
    if (typeof kept === 'string' && values >= 0) {
      kept = kept.replaceAll(at.message, at.message.slice(0, values));
    }
    at = at.cause;
  }
  return kept;
};
