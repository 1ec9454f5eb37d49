import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { runFileName } from '../api.ts';
import { UsageError } from '../usage-error.ts';

/** Everything another command or a test may want to know about a running `whyslow up`. */
export type RunningFile = {
  pid: number;
  operatorUrl: string;
  operatorToken: string;
  deviceUrl: string;
  proxyPort: number;
  socksPort: number;
  caFile: string;
  exampleUrl: string;
  programs: Record<string, number | undefined>;
};

/** The folder where `whyslow up` keeps what must outlive a restart; one `up` at a time. */
export const openStateFolder = (options: {
  folder: string;
  temporary: boolean;
  fresh: boolean;
}) => {
  const folder = options.temporary
    ? mkdtempSync(join(tmpdir(), 'whyslow-'))
    : resolve(options.folder);
  const runFile = join(folder, runFileName);
  refuseSecond(runFile, folder);
  if (options.fresh) deleteOwn(folder);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (readdirSync(folder).length === 0) writeFileSync(join(folder, markerName), markerText);

  return {
    folder,
    path: (...parts: string[]) => join(folder, ...parts),
    /** Writes one program's config file and gives its path. */
    writeConfig(name: string, config: Record<string, unknown>): string {
      const file = join(folder, `${name}.yaml`);
      writeFileSync(file, stringify(config), { mode: 0o600 });
      return file;
    },
    /** A Standard Webhooks secret, made once. */
    webhookSecret(): string {
      const file = join(folder, 'webhook-secret');
      if (!existsSync(file))
        writeFileSync(file, `whsec_${randomBytes(32).toString('base64')}`, { mode: 0o600 });
      return readFileSync(file, 'utf8');
    },
    /** Renamed into place: another command never reads half of it. */
    saveRunning(running: RunningFile): void {
      writeFileSync(`${runFile}.new`, JSON.stringify(running, null, 2), { mode: 0o600 });
      renameSync(`${runFile}.new`, runFile);
    },
    close(): void {
      rmSync(runFile, { force: true });
      if (options.temporary) rmSync(folder, { recursive: true, force: true });
    },
  };
};

export type StateFolder = ReturnType<typeof openStateFolder>;

const markerName = '.whyslow-state';
const markerText = 'Made by `whyslow up`, which deletes this folder when asked to begin afresh.\n';

/** Only a folder that an earlier `up` made: a misspelt --state must not cost anyone their files. */
const deleteOwn = (folder: string): void => {
  if (!existsSync(folder) || readdirSync(folder).length === 0) return;
  if (!existsSync(join(folder, markerName)))
    throw new UsageError(
      `--fresh deletes only what \`whyslow up\` made, and ${folder} is not that: give another --state FOLDER`,
    );
  rmSync(folder, { recursive: true, force: true });
};

const refuseSecond = (runFile: string, folder: string): void => {
  if (!existsSync(runFile)) return;
  const { pid } = JSON.parse(readFileSync(runFile, 'utf8')) as RunningFile;
  if (isAlive(pid))
    throw new UsageError(
      `whyslow already runs in ${folder} (process ${pid}): stop it, or give another --state FOLDER`,
    );
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    // A process id is used again after a restart of the machine: only ours counts.
    const commandLine = `/proc/${pid}/cmdline`;
    return !existsSync(commandLine) || /whyslow|start\.mjs/.test(readFileSync(commandLine, 'utf8'));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};
