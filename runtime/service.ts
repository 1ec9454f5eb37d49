import type { Log } from './log.ts';

/** Something that runs and can be stopped. Stopping twice is fine. */
export type Running = { stop(): Promise<void> };

/**
 * Collects what a program starts and stops it in the reverse order, each once. A part that fails
 * to stop does not keep the others from stopping.
 */
export const createStopper = (log: Log) => {
  const parts: { name: string; stop: () => Promise<void> | void }[] = [];
  let stopping: Promise<void> | undefined;

  const stopAll = async (): Promise<void> => {
    for (const part of parts.splice(0).reverse()) {
      try {
        await part.stop();
      } catch (error) {
        log.warn(
          { component: 'service', part: part.name, err: error },
          'part did not stop cleanly',
        );
      }
    }
  };

  return {
    add(name: string, stop: () => Promise<void> | void): void {
      parts.push({ name, stop });
    },
    stop(): Promise<void> {
      stopping ??= stopAll();
      return stopping;
    },
  };
};

/** A start that a signal interrupts may finish, so that what it made is stopped in order. */
const startGraceMs = 10_000;

/**
 * Runs a program until SIGINT, SIGTERM or, where given, the end of its standard input (so that it
 * does not outlive a parent that was killed). A second signal ends it at once.
 */
export const runUntilSignal = async (
  start: () => Promise<Running>,
  options: { log: Log; withParent?: boolean },
): Promise<void> => {
  let isStarted = false;
  const asked = new Promise<void>((resolve) => {
    let isAsked = false;
    const ask = (reason: string) => {
      if (isAsked) process.exit(130);
      isAsked = true;
      options.log.info({ component: 'service', reason }, 'stopping');
      if (!isStarted) setTimeout(() => process.exit(130), startGraceMs).unref();
      resolve();
    };
    process.on('SIGINT', () => ask('SIGINT'));
    process.on('SIGTERM', () => ask('SIGTERM'));
    if (options.withParent === true) {
      process.stdin.on('end', () => ask('parent ended')).on('error', () => ask('parent ended'));
      process.stdin.resume();
    }
  });
  const running = await start();
  isStarted = true;
  await asked;
  await running.stop();
  process.stdin.destroy();
};
