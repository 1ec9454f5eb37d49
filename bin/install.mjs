// Installs the npm dependencies when they are missing or older than the lock file. Plain Node and
// nothing else: it runs before anything is installed.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const lowestNode = [20, 19, 0];

/** Ends with a sentence when this Node is too old. */
export const requireNode = () => {
  const have = process.versions.node.split('.').map(Number);
  for (const [index, low] of lowestNode.entries()) {
    if (have[index] > low) return;
    if (have[index] < low) {
      console.error(
        `whyslow needs Node ${lowestNode.join('.')} or newer; this is ${process.version}.`,
      );
      process.exit(1);
    }
  }
};

/**
 * The native raw-socket add-on is compiled against Node's headers. Those that came with this Node
 * are used; without them its build is skipped (path probes then say what is missing) so that no
 * header is fetched from anywhere.
 */
const nativeBuild = () => {
  const prefix = dirname(dirname(process.execPath));
  if (process.env.npm_config_nodedir) return { flags: [], env: {} };
  if (existsSync(join(prefix, 'include', 'node', 'node_api.h')))
    return { flags: [], env: { npm_config_nodedir: prefix } };
  return { flags: ['--ignore-scripts'], env: {} };
};

/** Both files are equal when what is installed is what the lock asks for. */
const stamp = join(root, 'node_modules', '.whyslow-lock');

export const ensureInstalled = () => {
  const lock = join(root, 'package-lock.json');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === readFileSync(lock, 'utf8')) return;
  console.log('Installing dependencies (npm ci); this takes about half a minute the first time …');
  const { flags, env } = nativeBuild();
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const run = (...command) =>
    spawnSync(npm, [...command, '--no-audit', '--no-fund', '--loglevel=error', ...flags], {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...env },
      shell: process.platform === 'win32',
    }).status === 0;
  // Some npm versions find fault with a lock made where a registry lacks other systems' packages.
  if (!run('ci') && !run('install', '--no-save')) {
    console.error('npm could not install the dependencies: see its message above.');
    process.exit(1);
  }
  copyFileSync(lock, stamp);
};
