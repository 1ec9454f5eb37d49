import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ProbeContext } from '#probes/probe.ts';
import { environment } from '#runtime/config.ts';
import { openSecrets } from '#runtime/secrets-file.ts';
import { UsageError } from '../usage-error.ts';
import type { CommonOptions } from './options.ts';

/** Where and how a run by hand happens; `close` clears its temporary files. Ctrl-C ends the run. */
export const openContext = (
  options: CommonOptions & { secrets?: string },
): ProbeContext & { close(): void } => {
  const extraCa = (options.ca ?? []).map(readCa);
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  const workFolder = mkdtempSync(join(tmpdir(), 'whyslow-probe-'));
  return {
    signal: stopping.signal,
    proxy: options.proxy,
    extraCa,
    workFolder,
    browserPath: options.browser ?? environment('WHYSLOW_BROWSER'),
    ...(options.secrets === undefined ? {} : { secrets: readSecrets(options.secrets) }),
    close(): void {
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
      rmSync(workFolder, { recursive: true, force: true });
    },
  };
};

const readSecrets = (path: string) => {
  try {
    return openSecrets(path);
  } catch (error) {
    throw new UsageError(`--secrets: ${(error as Error).message}`);
  }
};

const readCa = (path: string): string => {
  try {
    const pem = readFileSync(path, 'utf8');
    new X509Certificate(pem);
    return pem;
  } catch (error) {
    const reason = (error as Error).message;
    throw new UsageError(`--ca ${path}: give a file with a PEM certificate (${reason})`);
  }
};
