import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { type Static, Type } from '@sinclair/typebox';
import { check } from '#contract/check.ts';
import { parseJson } from '#runtime/collector-request.ts';

/** When each network's last time to log in began, and how long it was. */
const Kept = Type.Object({
  graces: Type.Record(
    Type.String({ maxLength: 200 }),
    Type.Object({ beganAt: Type.Number(), lengthMs: Type.Number() }),
  ),
});
type Graces = Static<typeof Kept>['graces'];

/** A network gives one grace in this time: else whoever stays behind a portal stays open for ever. */
const restMs = 3_600_000;
/** All networks together, in graces: what makes one network look like another is the network's to say. */
const gracesAnHour = 2;

export type GraceBook = {
  /**
   * Begins one where this network gave none within the hour, and all of them not two; what is left
   * of it.
   */
  begin(network: string, lengthMs: number): number;
  leftMs(network: string): number;
};

/** Keeps the book on disk: an agent that is killed and started again gives no second grace. */
export const openGraceBook = (path: string, now: () => number = Date.now): GraceBook => {
  let graces = readGraces(path);
  const leftMs = (network: string): number => {
    const last = graces[network];
    if (last === undefined) return 0;
    const sinceMs = now() - last.beganAt;
    // A clock that was put back does not lengthen it.
    return sinceMs < 0 ? 0 : Math.max(0, last.lengthMs - sinceMs);
  };
  return {
    leftMs,
    begin: (network, lengthMs) => {
      graces = Object.fromEntries(
        Object.entries(graces).filter(([, { beganAt }]) => now() - beganAt < restMs),
      );
      const givenMs = Object.values(graces).reduce((sum, each) => sum + each.lengthMs, 0);
      const givableMs = Math.min(lengthMs, gracesAnHour * lengthMs - givenMs);
      if (graces[network] === undefined && givableMs > 0) {
        graces[network] = { beganAt: now(), lengthMs: givableMs };
        writeGraces(path, graces);
      }
      return leftMs(network);
    },
  };
};

const readGraces = (path: string): Graces => {
  try {
    const kept = check(Kept, parseJson(readFileSync(path, 'utf8')));
    return kept.ok ? kept.value.graces : {};
  } catch {
    return {};
  }
};

const writeGraces = (path: string, graces: Graces): void => {
  try {
    writeFileSync(`${path}.new`, JSON.stringify({ graces }), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch {
    // A full disk costs the memory of it after a restart, and no grace is longer for it.
  }
};
