import { existsSync, readFileSync, statSync } from 'node:fs';
import { readAgentStatus } from '#agent/status.ts';
import type { Lab } from '../lab.ts';
import type { CollectorApi } from './api.ts';
import { stateFolderOf } from './configs.ts';
import { logFileOf } from './launch.ts';
import type { LabProgram } from './roster.ts';

/** Asked before a program's launch; what it gives tells, afterwards, whether this life is of use. */
export const upCheck = (
  lab: Lab,
  program: LabProgram,
  api: CollectorApi,
): (() => Promise<boolean>) => {
  switch (program.kind) {
    case 'collector':
      return () => succeeds(api.call('GET', '/readyz'));
    case 'edge':
      return saysInLog(logFileOf(lab.folder, program), ['edge is up', 'policy applied']);
    case 'agent': {
      const folder = stateFolderOf(lab.folder, program);
      return () =>
        readAgentStatus(folder).then(
          ({ policy }) => policy.confirmedAt !== null,
          () => false,
        );
    }
  }
};

const succeeds = (work: Promise<unknown>): Promise<boolean> =>
  work.then(
    () => true,
    () => false,
  );

/** An edge has no status of its own to ask: its log says it, from this life on. */
const saysInLog = (logFile: string, messages: readonly string[]): (() => Promise<boolean>) => {
  const from = existsSync(logFile) ? statSync(logFile).size : 0;
  return async () => {
    const text = readFileSync(logFile).subarray(from).toString('utf8');
    return messages.every((message) => text.includes(message));
  };
};
