import { type Static, Type } from '@sinclair/typebox';
import { maxSteps, stepTypes } from '../page-step.ts';
import { Count, closed, DurationMs, Nullable, OneOf, Text } from '../scalar.ts';
import { Status } from './http.ts';

export const PageResource = Type.Object(
  {
    url: Text(2048),
    host: Text(256),
    type: Text(32),
    status: Nullable(Type.Integer({ minimum: 0, maximum: 999 })),
    startMs: DurationMs,
    durationMs: DurationMs,
    dnsMs: Nullable(DurationMs),
    connectMs: Nullable(DurationMs),
    tlsMs: Nullable(DurationMs),
    waitMs: Nullable(DurationMs),
    receiveMs: Nullable(DurationMs),
    transferBytes: Count,
    failed: Nullable(Text(100)),
  },
  { ...closed, $id: 'PageResource' },
);
export type PageResource = Static<typeof PageResource>;

/** The document's own request, from the navigation's start; null: not done, or on a kept connection. */
export const PageNavigation = Type.Object(
  {
    /** Until the request that was answered with the document. */
    redirectMs: Nullable(DurationMs),
    dnsMs: Nullable(DurationMs),
    /** TCP alone. */
    connectMs: Nullable(DurationMs),
    tlsMs: Nullable(DurationMs),
    waitMs: Nullable(DurationMs),
    receiveMs: Nullable(DurationMs),
  },
  { ...closed, $id: 'PageNavigation' },
);
export type PageNavigation = Static<typeof PageNavigation>;

/** All requests to one host. */
export const PageHost = Type.Object(
  {
    host: Text(256),
    requestCount: Count,
    transferBytes: Count,
    /** Of its requests' durations, which overlap. */
    sumMs: Type.Number({ minimum: 0 }),
    longestMs: DurationMs,
    isThirdParty: Type.Boolean(),
  },
  { ...closed, $id: 'PageHost' },
);
export type PageHost = Static<typeof PageHost>;

/** Something the page complained about; queries and secrets are taken out. */
export const PageProblem = Type.Object(
  { kind: OneOf(['console', 'exception', 'network'] as const), text: Text(300) },
  { ...closed, $id: 'PageProblem' },
);
export type PageProblem = Static<typeof PageProblem>;

/** How one step went. Steps after one that failed are `skipped`. */
export const PageStepResult = Type.Object(
  {
    name: Text(64),
    kind: OneOf(stepTypes),
    selector: Nullable(Text(500)),
    durationMs: DurationMs,
    /** Begun in this step. */
    requestCount: Count,
    transferBytes: Count,
    outcome: OneOf(['passed', 'failed', 'skipped'] as const),
    /** What was there instead. */
    failure: Nullable(Text(300)),
  },
  { ...closed, $id: 'PageStepResult' },
);
export type PageStepResult = Static<typeof PageStepResult>;

/** Milestones since the start of navigation; never added to phases. INP needs a user: not claimed. */
export const PageLoadBody = Type.Object(
  {
    url: Text(2048),
    finalUrl: Nullable(Text(2048)),
    status: Nullable(Status),
    ttfbMs: Nullable(DurationMs),
    fcpMs: Nullable(DurationMs),
    lcpMs: Nullable(DurationMs),
    /** Layout shift score, no unit. */
    cls: Nullable(Type.Number({ minimum: 0 })),
    domContentLoadedMs: Nullable(DurationMs),
    loadMs: Nullable(DurationMs),
    /** Sum over long tasks of what exceeds 50 ms, up to load. */
    totalBlockingMs: Nullable(DurationMs),
    requestCount: Count,
    transferBytes: Count,
    failedRequestCount: Count,
    thirdPartyCount: Count,
    /** The slowest, longest first; `requestCount` says how many there were. */
    resources: Type.Array(PageResource, { maxItems: 50 }),
    consoleErrorCount: Count,
    browser: Nullable(Text(64)),
    /* What agents before 0.2 do not send. */
    navigation: Type.Optional(Nullable(PageNavigation)),
    longTasks: Type.Optional(
      Nullable(
        Type.Object(
          {
            count: Count,
            /** The longest first; a time since the start of navigation, and how long. */
            longest: Type.Array(
              Type.Object({ startMs: DurationMs, durationMs: DurationMs }, closed),
              { maxItems: 10 },
            ),
          },
          closed,
        ),
      ),
    ),
    /** The slowest hosts, by their longest request. */
    hosts: Type.Optional(Type.Array(PageHost, { maxItems: 20 })),
    problems: Type.Optional(Type.Array(PageProblem, { maxItems: 10 })),
    /** In their order; only where the probe has steps. Counts and bytes above hold theirs too. */
    steps: Type.Optional(Type.Array(PageStepResult, { maxItems: maxSteps })),
  },
  { ...closed, $id: 'PageLoadBody' },
);
export type PageLoadBody = Static<typeof PageLoadBody>;
