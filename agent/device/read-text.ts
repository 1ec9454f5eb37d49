import { readFileSync } from 'node:fs';

/** A file of the kernel's or the system's; '' where there is none or it may not be read. */
export const readTextOrNothing = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};
