import { randomInt } from 'node:crypto';

/** As many ids just used are not given again. */
const rested = 4_096;

/**
 * Identifiers in use are never given twice, and one just used is not given again soon: a late
 * answer, or a firewall's memory of a flow, must not meet the next run.
 */
export const createFlowIds = () => {
  const used = new Set<number>();
  const recent: number[] = [];
  return {
    take(): number {
      let id = randomInt(1, 0xffff);
      while (used.has(id)) id = randomInt(1, 0xffff);
      used.add(id);
      return id;
    },
    give(id: number): void {
      recent.push(id);
      const oldest = recent.length > rested ? recent.shift() : undefined;
      if (oldest !== undefined) used.delete(oldest);
    },
  };
};
