import { execFileSync } from 'node:child_process';

/** Two network namespaces joined by a cable: the client's end and the origin's. */
export type Link = {
  near: string;
  far: string;
  nearAddress: string;
  farAddress: string;
  /** Both directions; null: as fast as the machine is. */
  limit(megabitsPerSecond: number | null): void;
  remove(): void;
};

const ip = (...args: string[]): string =>
  execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

export const makeLink = (name: string): Link => {
  const [near, far] = [`${name}-near`, `${name}-far`];
  const link: Link = {
    near,
    far,
    nearAddress: '10.77.0.1',
    farAddress: '10.77.0.2',
    limit(megabits) {
      for (const namespace of [near, far]) {
        const tc = (...args: string[]) => ip('netns', 'exec', namespace, 'tc', 'qdisc', ...args);
        if (megabits === null) tc('del', 'dev', 'cable', 'root');
        else {
          const rate = ['rate', `${megabits}mbit`, 'burst', '64kb', 'latency', '200ms'];
          tc('replace', 'dev', 'cable', 'root', 'tbf', ...rate);
        }
      }
    },
    remove() {
      for (const namespace of [near, far]) ip('netns', 'del', namespace);
    },
  };
  ip('netns', 'add', near);
  ip('netns', 'add', far);
  ip('-n', near, 'link', 'add', 'cable', 'type', 'veth', 'peer', 'name', 'cable', 'netns', far);
  for (const [namespace, address] of [
    [near, link.nearAddress],
    [far, link.farAddress],
  ] as const) {
    ip('-n', namespace, 'address', 'add', `${address}/24`, 'dev', 'cable');
    ip('-n', namespace, 'link', 'set', 'lo', 'up');
    ip('-n', namespace, 'link', 'set', 'cable', 'up');
  }
  return link;
};

/** The device gets another address on its cable; its connections are not told. */
export const moveAddress = ({ near }: Link, address: string): void => {
  ip('-n', near, 'address', 'flush', 'dev', 'cable', 'scope', 'global');
  ip('-n', near, 'address', 'add', `${address}/24`, 'dev', 'cable');
};
