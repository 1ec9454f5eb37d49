import { randomUUID } from 'node:crypto';
import { lstatSync, readdirSync } from 'node:fs';
import { platform, release } from 'node:os';
import { join } from 'node:path';
import type { PostureAnswer, PostureFacts } from '#contract/access.ts';
import type { PostureReport } from '#contract/telemetry.ts';
import { sleep } from '#runtime/backoff.ts';
import type { Running } from '#runtime/service.ts';
import { readTextOrNothing } from './read-text.ts';

const lookEveryMs = 5 * 60_000;
/** Told again though nothing changed: a collector may have been restored from before. */
const tellEveryMs = 60 * 60_000;

/** Reports what the device is like when it begins, when it changes, and every hour. */
export const startPostureReports = (parts: {
  deviceId: string;
  agentVersion: string;
  append: (record: PostureReport) => Promise<unknown>;
}): Running => {
  const stopping = new AbortController();
  const report = async (): Promise<void> => {
    let told = { text: '', atMs: 0 };
    while (!stopping.signal.aborted) {
      const facts = readPosture(parts.agentVersion);
      const text = JSON.stringify(facts);
      const nowMs = performance.now();
      if (text !== told.text || nowMs - told.atMs >= tellEveryMs) {
        const { deviceId } = parts;
        await parts.append({ kind: 'posture', id: randomUUID(), deviceId, at: Date.now(), facts });
        told = { text, atMs: nowMs };
      }
      await sleep(lookEveryMs, stopping.signal);
    }
  };
  const ended = report();
  return {
    async stop() {
      stopping.abort();
      await ended;
    },
  };
};

/**
 * What can be known without asking the user or being root. On other systems than Linux nothing but
 * the system's own version is; a screen lock belongs to a desktop session, which is not looked into.
 */
export const readPosture = (agentVersion: string, root = '/'): PostureFacts => {
  const system = { platform: platform(), agentVersion, screenLock: 'unknown' as const };
  if (platform() !== 'linux') {
    const unknown = { diskEncrypted: 'unknown', firewallOn: 'unknown' } as const;
    return { ...system, ...unknown, osName: platform(), osVersion: release().slice(0, 64) };
  }
  return {
    ...system,
    ...readRelease(root),
    diskEncrypted: isRootEncrypted(root),
    firewallOn: isFirewallOn(root),
  };
};

/** os-release(5). */
const readRelease = (root: string): Pick<PostureFacts, 'osName' | 'osVersion'> => {
  const text = readTextOrNothing(join(root, 'etc/os-release'));
  const value = (name: string) =>
    (new RegExp(`^${name}=["']?([^"'\\n]*)`, 'm').exec(text)?.[1] ?? '').slice(0, 64);
  return { osName: value('ID'), osVersion: value('VERSION_ID') };
};

/** The device under `/`, or any it lies on, is one of dm-crypt's. */
const isRootEncrypted = (root: string): PostureAnswer => {
  const number = rootDeviceNumber(root);
  if (number === undefined) return 'unknown';
  const uuids = deviceMapperIds(join(root, 'sys/dev/block', number), 0);
  if (uuids === undefined) return 'unknown';
  return uuids.some((uuid) => uuid.startsWith('CRYPT-')) ? 'yes' : 'no';
};

/** `major:minor` of proc_pid_mountinfo(5); major 0 is no block device (overlay, btrfs, a container). */
const rootDeviceNumber = (root: string): string | undefined => {
  const lines = readTextOrNothing(join(root, 'proc/self/mountinfo')).split('\n');
  const fields = lines.map((line) => line.split(' ')).find((each) => each[4] === '/');
  const number = fields?.[2];
  return number === undefined || number.startsWith('0:') ? undefined : number;
};

/** Deep enough for a file system on LVM on RAID on encryption. */
const mostLayers = 8;

const deviceMapperIds = (folder: string, depth: number): string[] | undefined => {
  if (!exists(folder) || depth > mostLayers) return undefined;
  const own = readTextOrNothing(join(folder, 'dm/uuid')).trim();
  const below = list(join(folder, 'slaves')).flatMap(
    (name) => deviceMapperIds(join(folder, 'slaves', name), depth + 1) ?? [],
  );
  return own === '' ? below : [own, ...below];
};

/**
 * Said by the two front ends that leave a trace which anybody may read. Rules somebody wrote by hand
 * only root sees: without a front end it is not known.
 */
const isFirewallOn = (root: string): PostureAnswer => {
  const ufw = readTextOrNothing(join(root, 'etc/ufw/ufw.conf'));
  if (/^ENABLED=yes$/m.test(ufw)) return 'yes';
  if (exists(join(root, 'run/firewalld')) || exists(join(root, 'run/firewalld.pid'))) return 'yes';
  return /^ENABLED=no$/m.test(ufw) ? 'no' : 'unknown';
};

const exists = (path: string): boolean => {
  try {
    lstatSync(path);
    return true;
  } catch {
    return false;
  }
};

const list = (folder: string): string[] => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};
