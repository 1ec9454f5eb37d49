import type { TSchema } from '@sinclair/typebox';
import { EnrollmentRequest, EnrollmentResponse, RenewalRequest } from './enrollment.ts';
import { Failure } from './failure.ts';
import { Organisation } from './organisation.ts';
import { Plan, ProbeDefinition } from './plan.ts';
import { DeviceConfig, EdgeConfig, SignedConfig } from './policy.ts';
import {
  DnsResult,
  HttpResult,
  PageLoadResult,
  PathResult,
  TcpResult,
  TlsResult,
  VoiceResult,
} from './result.ts';
import {
  Acknowledgement,
  Batch,
  ChangeEvent,
  DeviceSample,
  EdgeSample,
  FlowRecord,
  MissedRuns,
  OnwardSample,
  PostureReport,
  RunAccount,
  RunReport,
  TunnelSample,
} from './telemetry.ts';
import { SharedIncident, Verdict } from './verdict.ts';
import { IncidentMessage, WebhookMessage } from './webhook.ts';

/** Version of the messages below. A reader accepts its own version and the one before. */
export const contractVersion = 1;

/** Every message that crosses a wire, by the name under which its JSON Schema is served. */
export const schemaSet = {
  'result-http': HttpResult,
  'result-path': PathResult,
  'result-page-load': PageLoadResult,
  'result-dns': DnsResult,
  'result-tcp': TcpResult,
  'result-tls': TlsResult,
  'result-voice': VoiceResult,
  failure: Failure,
  probe: ProbeDefinition,
  plan: Plan,
  organisation: Organisation,
  'device-config': DeviceConfig,
  'edge-config': EdgeConfig,
  'signed-config': SignedConfig,
  'enrollment-request': EnrollmentRequest,
  'enrollment-response': EnrollmentResponse,
  'renewal-request': RenewalRequest,
  'sample-tunnel': TunnelSample,
  'sample-device': DeviceSample,
  'sample-edge': EdgeSample,
  'sample-onward': OnwardSample,
  flow: FlowRecord,
  posture: PostureReport,
  missed: MissedRuns,
  account: RunAccount,
  'run-report': RunReport,
  event: ChangeEvent,
  batch: Batch,
  acknowledgement: Acknowledgement,
  verdict: Verdict,
  webhook: WebhookMessage,
  incident: SharedIncident,
  'webhook-incident': IncidentMessage,
} as const satisfies Record<string, TSchema>;

export type SchemaName = keyof typeof schemaSet;

export const jsonSchema = (name: SchemaName): Record<string, unknown> =>
  standAlone(name, schemaSet[name]);

/**
 * The JSON Schema (2020-12) of one message. Nested `$id`s are dropped: every schema stands alone
 * and needs no other to be read.
 */
export const standAlone = (name: string, schema: TSchema): Record<string, unknown> => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: `urn:whyslow:contract:${contractVersion}:${name}`,
  title: name,
  ...(withoutIds(JSON.parse(JSON.stringify(schema))) as Record<string, unknown>),
});

const withoutIds = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(withoutIds);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value)
    .filter(([key, inner]) => !(key === '$id' && typeof inner === 'string'))
    .map(([key, inner]) => [key, withoutIds(inner)]);
  return Object.fromEntries(entries);
};
