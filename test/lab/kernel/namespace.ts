import { closeSync, openSync } from 'node:fs';
import { setns } from './libc.ts';

const kindNetwork = 0x4000_0000; // CLONE_NEWNET

/**
 * Does synchronous work with this thread in a network namespace: sockets opened there stay there,
 * `/proc/sys/net` is that namespace's. Other threads (libuv's, so all asynchronous calls) are not.
 */
export const inNamespace = <T>(name: string, work: () => T): T => {
  const home = openSync('/proc/thread-self/ns/net', 'r');
  try {
    enterNamespace(name);
    try {
      return work();
    } finally {
      setns(home, kindNetwork);
    }
  } finally {
    closeSync(home);
  }
};

/** Moves this thread into a network namespace for good; for a worker that lives there. */
export const enterNamespace = (name: string): void => {
  const target = openSync(`/var/run/netns/${name}`, 'r');
  try {
    setns(target, kindNetwork);
  } finally {
    closeSync(target);
  }
};
