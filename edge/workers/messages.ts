import type { EdgeConfig } from '#contract/policy.ts';
import type { FlowRecord } from '#contract/telemetry.ts';
import type { LogLevel } from '#runtime/log.ts';
import type { Amounts } from '../bank.ts';
import type {
  ForwarderCounts,
  ForwarderOptions,
  ForwarderReading,
  ListenerName,
} from '../forwarder.ts';
import type { EdgeCertificate } from '../session.ts';
import type { BurstAsked } from '../suspicion/onward-bursts.ts';

export type WorkerStart = {
  options: ForwarderOptions;
  process: { index: number; count: number };
  bytesPerSecond: number;
  logLevel: LogLevel;
  /** The category list in force. */
  categoryFile?: string;
};

/** What the supervisor tells a worker; a connection travels beside `socket`. */
export type ToWorker =
  | ({ type: 'start' } & WorkerStart)
  | { type: 'policy'; config: EdgeConfig }
  | { type: 'certificate'; certificate: EdgeCertificate }
  | { type: 'categories'; file: string }
  | { type: 'socket'; listener: ListenerName }
  | { type: 'grant'; id: number; amounts: Amounts }
  | { type: 'end-session'; session: number }
  | { type: 'read'; id: number }
  | { type: 'drain'; drainMs: number };

/** What a worker tells its supervisor. */
export type FromWorker =
  | WorkerNews
  | { type: 'ready' }
  | { type: 'failed'; reason: string }
  /** One that it was handed. */
  | { type: 'connection-closed' }
  | WorkerAnswer;

export type WorkerAnswer = {
  type: 'reading';
  id: number;
  reading: ForwarderReading;
  counts: ForwarderCounts;
};

export type WorkerNews =
  | { type: 'ask'; id: number; key: string; wanted: Amounts }
  | { type: 'give-back'; key: string; openCount: number }
  | { type: 'session'; session: number; deviceId: string; address: string }
  | { type: 'session-ended'; session: number }
  | { type: 'flows'; records: FlowRecord[] }
  | { type: 'burst'; asked: BurstAsked };
