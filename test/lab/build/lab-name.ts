import { randomBytes } from 'node:crypto';

/** A lab of a test's own, beside any other on the machine. */
export const testLabName = (): string =>
  `t${process.pid.toString(36)}${randomBytes(4).toString('hex')}`.slice(0, 12);
