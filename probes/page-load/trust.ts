import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const certutilMissing = 'certutil is missing: install libnss3-tools (Debian) or nss-tools (Fedora)';

/** Why extra CAs could not be given to a browser on this machine; undefined: they can. */
export const findTrustProblem = (parts: {
  platform: NodeJS.Platform;
  exists: (file: string) => boolean;
}): string | undefined => {
  if (parts.platform !== 'linux') return undefined;
  const found = ['/usr/local/bin', '/usr/bin', '/bin'].some((folder) =>
    parts.exists(`${folder}/certutil`),
  );
  return found ? undefined : certutilMissing;
};

/**
 * Makes Chromium on Linux trust further CAs, and nothing else: it reads the NSS database of its
 * HOME, which is a folder of ours. `--ignore-certificate-errors-spki-list` has no effect unless the
 * server sends the CA along, and is meant to skip all other checks. Elsewhere the operating system's
 * store decides. Gives the reason if it cannot.
 */
export const trustAuthorities = async (
  home: string,
  authorities: readonly string[],
): Promise<string | undefined> => {
  if (authorities.length === 0) return undefined;
  if (process.platform !== 'linux') return 'install the CA in the system’s store';
  const database = join(home, '.pki', 'nssdb');
  await mkdir(database, { recursive: true });
  try {
    await run('certutil', ['-N', '-d', `sql:${database}`, '--empty-password']);
    for (const [index, pem] of authorities.entries()) {
      const file = join(home, `authority-${index}.pem`);
      await writeFile(file, pem);
      const name = `authority-${index}`;
      await run('certutil', ['-A', '-t', 'C,,', '-n', name, '-i', file, '-d', `sql:${database}`]);
    }
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
      ? certutilMissing
      : `certutil: ${(error as Error).message}`;
  }
};
