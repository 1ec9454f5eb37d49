import { existsSync } from 'node:fs';
import { ConfigError } from '#runtime/config.ts';
import { readTextOrNothing } from '../device/read-text.ts';
import type { CaptureConfig } from './config.ts';

/** Whose traffic the kernel lets pass: the agent's, and that of users who are not captured. */
export type OwnTraffic = {
  uids: readonly number[];
  /** Control group of the agent, for one that shares its user; as nft names it. */
  cgroup?: { path: string; level: number };
};

/** What this process is, as the system says it. */
export type ProcessFacts = {
  uid: number;
  /** /etc/passwd */
  passwd: string;
  /** /proc/self/cgroup */
  cgroup: string;
  /** Where nft finds the unified hierarchy below /sys/fs/cgroup: `''`, or `unified/` beside v1. */
  cgroupPrefix: string | undefined;
};

export const readProcessFacts = (): ProcessFacts => ({
  uid: process.geteuid?.() ?? 0,
  passwd: readTextOrNothing('/etc/passwd'),
  cgroup: readTextOrNothing('/proc/self/cgroup'),
  cgroupPrefix: existsSync('/sys/fs/cgroup/cgroup.controllers')
    ? ''
    : existsSync('/sys/fs/cgroup/unified/cgroup.procs')
      ? 'unified/'
      : undefined,
});

/** The same for an agent's config, before anything is started by it. Throws ConfigError. */
export const ownTrafficOf = (config: CaptureConfig): OwnTraffic => {
  if (process.platform !== 'linux') {
    throw new ConfigError('capture: it needs the Linux kernel; leave it out and use the proxies');
  }
  return findOwnTraffic(
    {
      ownTrafficBy: config.ownTrafficBy ?? 'user',
      notCapturedUsers: config.notCapturedUsers ?? [],
    },
    readProcessFacts(),
  );
};

/**
 * The agent must not capture itself, and nobody else's traffic may pass as its own: so it needs a
 * user, or a control group, that no program of a person shares (docs/decisions/013-…).
 */
export const findOwnTraffic = (
  config: { ownTrafficBy: 'user' | 'cgroup'; notCapturedUsers: readonly string[] },
  facts: ProcessFacts,
): OwnTraffic => {
  const users = readPasswd(facts.passwd);
  const uids = config.notCapturedUsers.map((name, index) => {
    const uid = /^\d+$/.test(name) ? Number(name) : users.find((user) => user.name === name)?.uid;
    if (uid !== undefined) return uid;
    throw new ConfigError(`capture.notCapturedUsers[${index}]: this machine has no user ${name}`);
  });
  if (config.ownTrafficBy === 'cgroup') return { uids, cgroup: ownCgroup(facts) };
  const own = users.find((user) => user.uid === facts.uid);
  const who = facts.uid === 0 ? 'root' : isForPeople(own?.shell) ? own?.name : undefined;
  if (who === undefined) return { uids: [facts.uid, ...uids] };
  throw new ConfigError(
    `capture: the agent runs as ${who}, and so would all other programs of ${who} go uncaptured: run it as a user of its own (examples/systemd/whyslow-agent.service), or set capture.ownTrafficBy: cgroup`,
  );
};

type User = { name: string; uid: number; shell: string };

/** passwd(5): name:password:uid:gid:comment:home:shell */
const readPasswd = (text: string): User[] =>
  text.split('\n').flatMap((line) => {
    const [name = '', , uid = '', , , , shell = ''] = line.split(':');
    return /^\d+$/.test(uid) ? [{ name, uid: Number(uid), shell }] : [];
  });

/** Whoever can log in has programs. A user that is not listed (systemd's DynamicUser) cannot. */
const isForPeople = (shell: string | undefined): boolean =>
  shell !== undefined && !/\/(nologin|false|sync)$/.test(shell);

const ownCgroup = ({ cgroup, cgroupPrefix }: ProcessFacts) => {
  const path = /^0::\/(.*)$/m.exec(cgroup)?.[1];
  if (path === undefined || cgroupPrefix === undefined) {
    throw new ConfigError(
      'capture.ownTrafficBy: this machine has no unified control groups (cgroup v2): run the agent as a user of its own, and leave this out',
    );
  }
  if (path === '' || /(^|\/)(session|init)[^/]*\.scope$/.test(path) || path.includes('"')) {
    throw new ConfigError(
      `capture.ownTrafficBy: the agent shares its control group /${path} with other programs: run it as a service (examples/systemd/whyslow-agent.service)`,
    );
  }
  return { path: `${cgroupPrefix}${path}`, level: path.split('/').length };
};
