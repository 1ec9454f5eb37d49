/** The part of a program's log that probes use; a pino logger fits. */
export type ProbeLog = {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
};
