import {
  bigint,
  boolean,
  customType,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  uuid,
} from 'drizzle-orm/pg-core';
import type { PostureFacts } from '#contract/access.ts';
import type { ArtefactKind } from '#contract/artefact.ts';
import type { Position } from '#contract/scalar.ts';

/**
 * Relational state, one dialect for PGlite and PostgreSQL. Times are epoch milliseconds in bigint
 * columns ending in `_at`, so that both engines and every reader mean the same thing.
 */
const at = (name: string) => bigint(name, { mode: 'number' });

/** PGlite gives a Uint8Array, pg a Buffer, which is one. */
const bytea = customType<{ data: Uint8Array; driverData: Uint8Array }>({
  dataType: () => 'bytea',
});

/** The tenant's certificate authority: one row. */
export const authority = pgTable('authority', {
  id: integer('id').primaryKey(),
  certificatePem: text('certificate_pem').notNull(),
  privateKeyPem: text('private_key_pem').notNull(),
  createdAt: at('created_at').notNull(),
});

export const enrollmentTokens = pgTable('enrollment_tokens', {
  id: text('id').primaryKey(),
  secretHash: text('secret_hash').notNull(),
  role: text('role').$type<'device' | 'edge'>().notNull(),
  note: text('note').notNull(),
  usesLeft: integer('uses_left').notNull(),
  createdAt: at('created_at').notNull(),
  expiresAt: at('expires_at').notNull(),
});

/** Bearer tokens of people and scripts; only the hash is kept. */
export const operators = pgTable('operators', {
  id: uuid('id').primaryKey(),
  name: text('name').notNull(),
  role: text('role').$type<'viewer' | 'admin'>().notNull(),
  tokenHash: text('token_hash').notNull().unique(),
  createdAt: at('created_at').notNull(),
  revokedAt: at('revoked_at'),
});

export const devices = pgTable(
  'devices',
  {
    id: uuid('id').primaryKey(),
    name: text('name').notNull(),
    platform: text('platform').notNull(),
    programVersion: text('program_version').notNull(),
    certificateSerial: text('certificate_serial').notNull(),
    certificateNotAfter: at('certificate_not_after').notNull(),
    enrolledAt: at('enrolled_at').notNull(),
    lastSeenAt: at('last_seen_at'),
    revokedAt: at('revoked_at'),
    /** Who uses it, by an id of the declared users; null: nobody is named. */
    userId: text('user_id'),
    labels: jsonb('labels').$type<string[]>().notNull().default([]),
    /** What its agent reported last, and when by the device's clock. */
    posture: jsonb('posture').$type<PostureFacts>(),
    postureAt: at('posture_at'),
    /** From when on edges go by it, by the collector's clock; until then by the one before. */
    postureFromAt: at('posture_from_at'),
    postureBefore: jsonb('posture_before').$type<PostureFacts>(),
    /** When any of these changed, by the collector's clock. */
    factsChangedAt: at('facts_changed_at'),
  },
  (table) => [
    index('devices_revoked_at').on(table.revokedAt),
    index('devices_facts_changed_at').on(table.factsChangedAt),
    index('devices_posture_from_at').on(table.postureFromAt),
  ],
);

export const edges = pgTable('edges', {
  id: text('id').primaryKey(),
  host: text('host').notNull(),
  port: integer('port').notNull(),
  location: text('location').notNull(),
  /** UDP; null: it has no reflector. */
  reflectorPort: integer('reflector_port'),
  /** Null: nobody said where it stands. */
  position: jsonb('position').$type<Position>(),
  programVersion: text('program_version').notNull(),
  certificateSerial: text('certificate_serial').notNull(),
  certificateNotAfter: at('certificate_not_after').notNull(),
  enrolledAt: at('enrolled_at').notNull(),
  lastSeenAt: at('last_seen_at'),
  revokedAt: at('revoked_at'),
});

/** Every version of the declared configuration; the highest is in force. */
export const organisationVersions = pgTable('organisation_versions', {
  version: integer('version').primaryKey(),
  document: jsonb('document').notNull(),
  author: text('author').notNull(),
  appliedAt: at('applied_at').notNull(),
});

export const audit = pgTable('audit', {
  id: uuid('id').primaryKey(),
  at: at('at').notNull(),
  actor: text('actor').notNull(),
  action: text('action').notNull(),
  subject: text('subject').notNull(),
  detail: jsonb('detail').notNull(),
});

/** Batches already stored, so that one sent twice counts once. */
export const ingestedBatches = pgTable(
  'ingested_batches',
  {
    sender: text('sender').notNull(),
    batchId: uuid('batch_id').notNull(),
    acceptedCount: integer('accepted_count').notNull(),
    receivedAt: at('received_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.sender, table.batchId] }),
    index('ingested_batches_received_at').on(table.receivedAt),
  ],
);

/** What runs made beside their figures: pictures and archives; the newest of each device. */
export const artefacts = pgTable(
  'artefacts',
  {
    resultId: uuid('result_id').notNull(),
    kind: text('kind').$type<ArtefactKind>().notNull(),
    deviceId: uuid('device_id').notNull(),
    appId: text('app_id').notNull(),
    mediaType: text('media_type').notNull(),
    /** `gzip` or `identity`: how the bytes are kept. */
    encoding: text('encoding').$type<'gzip' | 'identity'>().notNull(),
    bytes: bytea('bytes').notNull(),
    at: at('at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.resultId, table.kind] }),
    index('artefacts_device_at').on(table.deviceId, table.at),
    index('artefacts_at').on(table.at),
  ],
);

/** The newest verdict per device and application. */
export const verdicts = pgTable(
  'verdicts',
  {
    deviceId: uuid('device_id').notNull(),
    appId: text('app_id').notNull(),
    at: at('at').notNull(),
    state: text('state').notNull(),
    verdict: jsonb('verdict').notNull(),
  },
  (table) => [primaryKey({ columns: [table.deviceId, table.appId] })],
);

/** One problem of one device with one application, from opening to closing. */
export const incidents = pgTable(
  'incidents',
  {
    id: uuid('id').primaryKey(),
    deviceId: uuid('device_id').notNull(),
    appId: text('app_id').notNull(),
    segment: text('segment'),
    /** pending → open → closed. A pending one that recovers is removed. */
    state: text('state').$type<'pending' | 'open' | 'closed'>().notNull(),
    firstSlowAt: at('first_slow_at').notNull(),
    openedAt: at('opened_at'),
    closedAt: at('closed_at'),
    /** Consecutive verdicts for the next transition. */
    streak: integer('streak').notNull(),
    openingVerdict: jsonb('opening_verdict'),
    latestVerdict: jsonb('latest_verdict').notNull(),
    live: boolean('live').notNull(),
  },
  (table) => [index('incidents_device_app_live').on(table.deviceId, table.appId, table.live)],
);

/** Outbox of webhook messages: written with the incident's change, sent by the notify job. */
export const deliveries = pgTable(
  'deliveries',
  {
    id: uuid('id').primaryKey(),
    webhookId: text('webhook_id').notNull(),
    incidentId: uuid('incident_id').notNull(),
    eventType: text('event_type').notNull(),
    body: text('body').notNull(),
    state: text('state').$type<'waiting' | 'delivered' | 'given-up'>().notNull(),
    attemptCount: integer('attempt_count').notNull(),
    lastStatus: integer('last_status'),
    lastError: text('last_error'),
    createdAt: at('created_at').notNull(),
    deliveredAt: at('delivered_at'),
  },
  (table) => [index('deliveries_state').on(table.state)],
);

/** Runs that operators asked of devices. */
export const runRequests = pgTable(
  'run_requests',
  {
    id: uuid('id').primaryKey(),
    deviceId: uuid('device_id').notNull(),
    /** Contract RunOrder. */
    order: jsonb('run_order').notNull(),
    /** Runs it asks for: probes × ticks. */
    runCount: integer('run_count').notNull(),
    actor: text('actor').notNull(),
    createdAt: at('created_at').notNull(),
    expiresAt: at('expires_at').notNull(),
    state: text('state').$type<'queued' | 'picked-up' | 'running' | 'done'>().notNull(),
    /** The device's clock, as its results have it. */
    pickedUpAt: at('picked_up_at'),
    reportedAt: at('reported_at'),
    madeCount: integer('made_count').notNull(),
    lostCount: integer('lost_count').notNull(),
    reason: text('reason').notNull(),
  },
  (table) => [
    index('run_requests_device').on(table.deviceId, table.expiresAt),
    index('run_requests_created_at').on(table.createdAt),
  ],
);

/** Jobs of the in-process engine. */
export const jobs = pgTable(
  'jobs',
  {
    queue: text('queue').notNull(),
    id: text('id').notNull(),
    payload: jsonb('payload').notNull(),
    state: text('state').$type<'waiting' | 'active' | 'failed'>().notNull(),
    runAt: at('run_at').notNull(),
    attemptCount: integer('attempt_count').notNull(),
    /** Enqueued again while active: run once more. */
    again: boolean('again').notNull(),
    lastError: text('last_error'),
  },
  (table) => [
    primaryKey({ columns: [table.queue, table.id] }),
    index('jobs_due').on(table.state, table.runAt),
  ],
);
