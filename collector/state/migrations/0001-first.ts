import type { Migration } from './migration.ts';

export const first: Migration = {
  id: 1,
  name: 'first',
  statements: [
    `create table authority (
      id integer primary key,
      certificate_pem text not null,
      private_key_pem text not null,
      created_at bigint not null
    )`,
    `create table enrollment_tokens (
      id text primary key,
      secret_hash text not null,
      role text not null,
      note text not null,
      uses_left integer not null,
      created_at bigint not null,
      expires_at bigint not null
    )`,
    `create table operators (
      id uuid primary key,
      name text not null,
      role text not null,
      token_hash text not null constraint operators_token_hash_unique unique,
      created_at bigint not null,
      revoked_at bigint
    )`,
    `create table devices (
      id uuid primary key,
      name text not null,
      platform text not null,
      program_version text not null,
      certificate_serial text not null,
      certificate_not_after bigint not null,
      enrolled_at bigint not null,
      last_seen_at bigint,
      revoked_at bigint
    )`,
    `create table edges (
      id text primary key,
      host text not null,
      port integer not null,
      location text not null,
      program_version text not null,
      certificate_serial text not null,
      certificate_not_after bigint not null,
      enrolled_at bigint not null,
      last_seen_at bigint,
      revoked_at bigint
    )`,
    `create table organisation_versions (
      version integer primary key,
      document jsonb not null,
      author text not null,
      applied_at bigint not null
    )`,
    `create table audit (
      id uuid primary key,
      at bigint not null,
      actor text not null,
      action text not null,
      subject text not null,
      detail jsonb not null
    )`,
    `create table ingested_batches (
      sender text not null,
      batch_id uuid not null,
      accepted_count integer not null,
      received_at bigint not null,
      primary key (sender, batch_id)
    )`,
    'create index ingested_batches_received_at on ingested_batches (received_at)',
    `create table verdicts (
      device_id uuid not null,
      app_id text not null,
      at bigint not null,
      state text not null,
      verdict jsonb not null,
      primary key (device_id, app_id)
    )`,
    `create table incidents (
      id uuid primary key,
      device_id uuid not null,
      app_id text not null,
      segment text,
      state text not null,
      first_slow_at bigint not null,
      opened_at bigint,
      closed_at bigint,
      streak integer not null,
      opening_verdict jsonb,
      latest_verdict jsonb not null,
      live boolean not null
    )`,
    'create index incidents_device_app_live on incidents (device_id, app_id, live)',
    `create table deliveries (
      id uuid primary key,
      webhook_id text not null,
      incident_id uuid not null,
      event_type text not null,
      body text not null,
      state text not null,
      attempt_count integer not null,
      last_status integer,
      last_error text,
      created_at bigint not null,
      delivered_at bigint
    )`,
    'create index deliveries_state on deliveries (state)',
    `create table jobs (
      queue text not null,
      id text not null,
      payload jsonb not null,
      state text not null,
      run_at bigint not null,
      attempt_count integer not null,
      again boolean not null,
      last_error text,
      primary key (queue, id)
    )`,
    'create index jobs_due on jobs (state, run_at)',
  ],
};
