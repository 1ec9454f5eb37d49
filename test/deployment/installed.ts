import { findProgram } from '#test/support/server-process.ts';

/** Where a program is that a test can do without; undefined where it is not. */
export const installed = (name: string, debianPackage: string): string | undefined => {
  try {
    return findProgram(name, debianPackage);
  } catch {
    return undefined;
  }
};
