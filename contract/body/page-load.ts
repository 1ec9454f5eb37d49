import { type Static, Type } from '@sinclair/typebox';
import { Count, closed, DurationMs, Nullable, Text } from '../scalar.ts';
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
  },
  { ...closed, $id: 'PageLoadBody' },
);
export type PageLoadBody = Static<typeof PageLoadBody>;
