import { sql } from 'drizzle-orm';
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
  uniqueIndex,
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
    /** The shared incident that was told in its place. */
    toldBy: uuid('told_by'),
  },
  (table) => [
    index('incidents_device_app_live').on(table.deviceId, table.appId, table.live),
    index('incidents_open').on(table.state).where(sql`live`),
  ],
);

/** How far each shard of the fleet's diagnosis is; times on bins are bin numbers (time / bin_ms). */
export const fleetShards = pgTable('fleet_shards', {
  shard: text('shard').primaryKey(),
  binMs: integer('bin_ms').notNull(),
  /** Newest closed. */
  bin: at('bin').notNull(),
  /** When the reading of it began: batches stored later than this are late for it. */
  readAt: at('read_at').notNull(),
  /** Devices with a reading in it. */
  deviceCount: integer('device_count').notNull(),
  /** The collector that closed it and has the engine in memory, and until when it is asked first. */
  worker: text('worker').notNull(),
  keptUntil: at('kept_until').notNull(),
  /** It is at work: nobody else begins before this. */
  workingUntil: at('working_until').notNull(),
});

/** A shard's engine as it was after a bin, in parts. */
export const fleetCheckpoints = pgTable(
  'fleet_checkpoints',
  {
    shard: text('shard').notNull(),
    part: integer('part').notNull(),
    binMs: integer('bin_ms').notNull(),
    bin: at('bin').notNull(),
    readAt: at('read_at').notNull(),
    bytes: bytea('bytes').notNull(),
    savedAt: at('saved_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.shard, table.part] }),
    index('fleet_checkpoints_saved_at').on(table.savedAt),
  ],
);

/** What the fleet's evidence says of each slow pair, by its shard's newest bin. */
export const standingCauses = pgTable(
  'standing_causes',
  {
    shard: text('shard').notNull(),
    deviceId: uuid('device_id').notNull(),
    appId: text('app_id').notNull(),
    /** The bin's end. */
    at: at('at').notNull(),
    /** Contract Verdict with `causes`. */
    verdict: jsonb('verdict').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.shard, table.deviceId, table.appId] }),
    index('standing_causes_pair').on(table.deviceId, table.appId),
    index('standing_causes_at').on(table.at),
  ],
);

/** One cause over its life, all shards together. */
export const sharedIncidents = pgTable(
  'shared_incidents',
  {
    id: uuid('id').primaryKey(),
    /** Kind, segment and element: what makes incidents of several shards one. */
    key: text('key').notNull(),
    live: boolean('live').notNull(),
    startedAt: at('started_at').notNull(),
    seenAt: at('seen_at').notNull(),
    endedAt: at('ended_at'),
    /** Contract SharedIncident. */
    incident: jsonb('incident').notNull(),
    /** Those who suffer most: `{ deviceId, appId, addedMs }`. */
    affected: jsonb('affected').notNull(),
    /** One line a bin: `{ atMs, ms, lossRatio, deviceCount }`. */
    history: jsonb('history').notNull(),
    /** Webhooks that heard of its opening. */
    toldTo: jsonb('told_to').$type<string[]>().notNull().default([]),
    endTold: boolean('end_told').notNull().default(false),
  },
  (table) => [
    index('shared_incidents_key').on(table.key),
    index('shared_incidents_live').on(table.live, table.startedAt),
    index('shared_incidents_ended_at').on(table.endedAt),
  ],
);

/** The same as each shard sees it. */
export const sharedIncidentParts = pgTable(
  'shared_incident_parts',
  {
    shard: text('shard').notNull(),
    partId: uuid('part_id').notNull(),
    incidentId: uuid('incident_id').notNull(),
    live: boolean('live').notNull(),
    incident: jsonb('incident').notNull(),
    affected: jsonb('affected').notNull(),
    history: jsonb('history').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.shard, table.partId] }),
    index('shared_incident_parts_incident').on(table.incidentId),
  ],
);

/** Batches that came when a bin of theirs was closed already. */
export const lateBatches = pgTable(
  'late_batches',
  {
    id: uuid('id').primaryKey(),
    role: text('role').$type<'device' | 'edge'>().notNull(),
    sender: text('sender').notNull(),
    /** Time of its first late record, and how much later all of them are, rising. */
    fromAt: at('from_at').notNull(),
    offsetsMs: jsonb('offsets_ms').$type<number[]>().notNull(),
    storedAt: at('stored_at').notNull(),
  },
  (table) => [index('late_batches_stored_at').on(table.storedAt)],
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

/** The number that stands for a combination of labels in the time of a point, given once for good. */
export const labelNumbers = pgTable(
  'label_numbers',
  {
    measurement: text('measurement').notNull(),
    labels: text('labels').notNull(),
    number: integer('number').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.measurement, table.labels] }),
    uniqueIndex('label_numbers_number').on(table.measurement, table.number),
  ],
);

/** How far roll-ups are made, and by whom: one row. */
export const rollupProgress = pgTable('rollup_progress', {
  id: integer('id').primaryKey(),
  /** The first that is not made; those before it are. */
  nextBin: at('next_bin').notNull(),
  worker: text('worker').notNull(),
  workingUntil: at('working_until').notNull(),
  /** Raw points from here on are all kept. */
  rawFrom: at('raw_from').notNull(),
});

/** Bins to be made anew, for late data (`working` false), and those being so. */
export const rollupBins = pgTable(
  'rollup_bins',
  { bin: at('bin').notNull(), working: boolean('working').notNull() },
  (table) => [primaryKey({ columns: [table.bin, table.working] })],
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
