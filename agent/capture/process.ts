import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { isIPv4 } from 'node:net';

/** Both ends of a connection of this machine, as its program sees them. */
export type Ends = {
  local: { host: string; port: number };
  remote: { host: string; port: number };
};

/** Path of the executable a connection belongs to; undefined where it cannot be told. */
export type ProcessOf = (ends: Ends) => Promise<string | undefined>;

const maxRemembered = 32;

/**
 * By /proc (proc_pid_net(5)): the connection's line gives its user and inode, and a process of that
 * user has the inode among its descriptors. A browser opens one connection after the other, so those
 * that had the last ones are looked at first. Looking into other users' processes needs
 * CAP_SYS_PTRACE; without it the process is not known, which is no error.
 */
export const createProcessOf = (root = '/proc'): ProcessOf => {
  /** Latest last. */
  const remembered = new Map<string, true>();

  return async (ends) => {
    const socket = await findSocket(root, ends);
    if (socket === undefined) return undefined;
    const link = `socket:[${socket.inode}]`;
    const holder =
      (await firstHolder(root, [...remembered.keys()].reverse(), link)) ??
      (await firstHolder(root, await processesOf(root, socket.uid), link));
    if (holder === undefined) return undefined;
    remembered.delete(holder);
    remembered.set(holder, true);
    const [oldest] = remembered.keys();
    if (remembered.size > maxRemembered && oldest !== undefined) remembered.delete(oldest);
    const path = await readlink(`${root}/${holder}/exe`).catch(() => undefined);
    // An executable that was replaced by an update is still the same to the organisation.
    return path?.replace(/ \(deleted\)$/, '');
  };
};

/** IPv4 connections of a socket that takes both families are listed as mapped addresses. */
const findSocket = async (root: string, { local, remote }: Ends) => {
  const tables = isIPv4(local.host)
    ? ([
        ['tcp', hexOf4],
        ['tcp6', hexOfMapped],
      ] as const)
    : ([['tcp6', hexOf6]] as const);
  for (const [table, hex] of tables) {
    const wanted = ` ${hex(local.host)}:${hexPort(local.port)} ${hex(remote.host)}:${hexPort(remote.port)} `;
    const text = await readFile(`${root}/net/${table}`, 'latin1').catch(() => '');
    const at = text.indexOf(wanted);
    if (at === -1) continue;
    const rest = text.slice(at, text.indexOf('\n', at)).trim().split(/\s+/);
    // After the ends: state, queues, timer, retransmissions, uid, timeout, inode.
    const [uid, inode] = [Number(rest[6]), rest[8]];
    if (inode !== undefined && inode !== '0') return { uid, inode };
  }
  return undefined;
};

const processesOf = async (root: string, uid: number): Promise<string[]> => {
  const ids = (await readdir(root).catch(() => [])).filter((name) => /^\d+$/.test(name));
  const owned = await Promise.all(
    ids.map(async (id) => {
      const owner = await stat(`${root}/${id}`).catch(() => undefined);
      return owner?.uid === uid ? [id] : [];
    }),
  );
  // The youngest first: what has just connected has often just begun.
  return owned.flat().reverse();
};

const firstHolder = async (
  root: string,
  ids: readonly string[],
  link: string,
): Promise<string | undefined> => {
  for (const id of ids) {
    const folder = `${root}/${id}/fd`;
    const names = await readdir(folder).catch(() => []);
    const links = await Promise.all(
      names.map((name) => readlink(`${folder}/${name}`).catch(() => '')),
    );
    if (links.includes(link)) return id;
  }
  return undefined;
};

const hexPort = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0');

/** The kernel prints addresses as 32-bit words of this machine, which is little-endian here. */
const hexOfBytes = (bytes: Buffer): string =>
  Buffer.from(bytes).swap32().toString('hex').toUpperCase();
const hexOf4 = (address: string): string => hexOfBytes(Buffer.from(address.split('.').map(Number)));
const hexOfMapped = (address: string): string => `0000000000000000FFFF0000${hexOf4(address)}`;

const hexOf6 = (address: string): string => {
  const plain = new URL(`http://[${address.replace(/%.*$/, '')}]`).hostname.slice(1, -1);
  const [before = '', after] = plain.split('::');
  const groupsOf = (text: string) => (text === '' ? [] : text.split(':'));
  const [head, tail] = [groupsOf(before), groupsOf(after ?? '')];
  const zeros = new Array<string>(8 - head.length - tail.length).fill('0');
  const groups = after === undefined ? head : [...head, ...zeros, ...tail];
  return hexOfBytes(Buffer.from(groups.map((group) => group.padStart(4, '0')).join(''), 'hex'));
};
