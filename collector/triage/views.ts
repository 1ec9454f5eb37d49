import { type Static, Type } from '@sinclair/typebox';
import { artefactKinds } from '#contract/artefact.ts';
import { PageProblem, PageStepResult } from '#contract/body/page-load.ts';
import { probeTypes } from '#contract/result.ts';
import {
  Count,
  closed,
  DurationMs,
  EpochMs,
  Nullable,
  OneOf,
  Ratio,
  Text,
  Uuid,
} from '#contract/scalar.ts';
import {
  causeFamilies,
  causeKinds,
  causeScopes,
  incidentLevels,
  SharedIncident,
  segments,
  Verdict,
  verdictStates,
} from '#contract/verdict.ts';

/** What the triage pages show and the triage API answers: one shape for both. */

/** `no-data`: no verdict, or none new enough to speak of now. Worst first. */
export const viewStates = ['failing', 'slow', 'inconclusive', 'no-data', 'ok'] as const;
export type ViewState = (typeof viewStates)[number];

export const Named = Type.Object({ id: Text(64), name: Text(128) }, closed);
export type Named = Static<typeof Named>;

/** A verdict in a line. `state` and `score` count only while it is fresh; the sentence stays. */
export const VerdictLine = Type.Object(
  {
    device: Named,
    application: Named,
    edgeId: Nullable(Text(64)),
    state: OneOf(viewStates),
    /** What the verdict said when it was made. */
    verdictState: OneOf(verdictStates),
    segment: Nullable(OneOf(segments)),
    score: Nullable(Type.Integer()),
    band: Nullable(OneOf(['good', 'okay', 'poor'] as const)),
    sentence: Text(600),
    confidence: Ratio,
    addedMs: Nullable(DurationMs),
    totalMs: Nullable(DurationMs),
    baselineMs: Nullable(DurationMs),
    at: EpochMs,
  },
  closed,
);
export type VerdictLine = Static<typeof VerdictLine>;

/** Values in time buckets; null: nothing was measured in that bucket. */
export const Chart = Type.Object(
  {
    id: Text(64),
    title: Text(128),
    unit: Text(16),
    kind: OneOf(['lines', 'stacked'] as const),
    everyMs: DurationMs,
    timesMs: Type.Array(EpochMs),
    lines: Type.Array(
      Type.Object(
        {
          key: Text(64),
          label: Text(128),
          values: Type.Array(Nullable(Type.Number())),
        },
        closed,
      ),
    ),
  },
  closed,
);
export type Chart = Static<typeof Chart>;

export const ApplicationSummary = Type.Object(
  {
    id: Text(64),
    name: Text(128),
    state: OneOf(viewStates),
    /** Of the worst device. */
    score: Nullable(Type.Integer()),
    band: Nullable(OneOf(['good', 'okay', 'poor'] as const)),
    worst: Nullable(VerdictLine),
    /** Devices for which it is slow or failing now. */
    affectedDeviceCount: Count,
    deviceCount: Count,
    /** Devices with a verdict too old to count. */
    silentDeviceCount: Count,
    lastResultAt: Nullable(EpochMs),
    /** Median duration of HTTP runs. */
    trend: Chart,
  },
  closed,
);
export type ApplicationSummary = Static<typeof ApplicationSummary>;

export const IncidentLine = Type.Object(
  {
    id: Text(64),
    device: Named,
    application: Named,
    segment: Nullable(OneOf(segments)),
    state: OneOf(['pending', 'open', 'closed'] as const),
    firstSlowAt: EpochMs,
    openedAt: Nullable(EpochMs),
    closedAt: Nullable(EpochMs),
    /** Of the verdict whose sentence this is. */
    verdictState: OneOf(verdictStates),
    sentence: Text(600),
    /** The shared incident that explains it. */
    sharedIncidentId: Nullable(Text(64)),
  },
  closed,
);
export type IncidentLine = Static<typeof IncidentLine>;

/** One cause that hits several devices, in a line. */
export const SharedIncidentLine = Type.Object(
  {
    id: Text(64),
    family: OneOf(causeFamilies),
    kind: OneOf(causeKinds),
    segment: OneOf(segments),
    scope: OneOf(causeScopes),
    level: OneOf(incidentLevels),
    element: Text(300),
    startedAt: EpochMs,
    /** Null: it goes on. */
    endedAt: Nullable(EpochMs),
    deviceCount: Count,
    healthyDeviceCount: Count,
    sentence: Text(600),
  },
  closed,
);
export type SharedIncidentLine = Static<typeof SharedIncidentLine>;

export const SharedIncidentView = Type.Object(
  {
    incident: SharedIncident,
    /** Who suffers most; of an ended one, by its last bin. */
    affected: Type.Array(
      Type.Object({ device: Named, application: Named, addedMs: DurationMs }, closed),
    ),
    charts: Type.Array(Chart),
  },
  closed,
);
export type SharedIncidentView = Static<typeof SharedIncidentView>;

/** One TTL of a drawn path; `address` null is a silent hop. */
export const PathHop = Type.Object(
  {
    ttl: Type.Integer(),
    address: Nullable(Text(64)),
    rttMs: Nullable(DurationMs),
    /** Above the nearest earlier hop that answered, never below 0; null where one is missing. */
    addedMs: Nullable(DurationMs),
    /** Unanswered of those sent; routers rate-limit answers, so one hop's loss proves nothing. */
    lossRatio: Nullable(Ratio),
    /** Name, owner, branches, and that it limits its answers; '' where there is nothing to say. */
    about: Text(1_000),
  },
  closed,
);
export type PathHop = Static<typeof PathHop>;

/** One leg of the path. `missing` is why there are no hops; '' when there are. */
export const PathLeg = Type.Object(
  {
    /** `direct` goes outside the tunnel, beside the two legs of it. */
    name: OneOf(['to-edge', 'onward', 'direct'] as const),
    from: Text(128),
    to: Text(128),
    measuredAt: Nullable(EpochMs),
    how: Text(128),
    missing: Text(300),
    /** Of the leg's end; its own answer is the last hop. */
    address: Nullable(Text(64)),
    reached: Nullable(Type.Boolean()),
    /** End to end over this leg. */
    rttMs: Nullable(DurationMs),
    lossRatio: Nullable(Ratio),
    hops: Type.Array(PathHop),
  },
  closed,
);
export type PathLeg = Static<typeof PathLeg>;

export const VitalsLine = Type.Object(
  {
    via: OneOf(['tunnel', 'direct'] as const),
    loadCount: Count,
    ttfbMs: Nullable(DurationMs),
    fcpMs: Nullable(DurationMs),
    lcpMs: Nullable(DurationMs),
    loadMs: Nullable(DurationMs),
    totalBlockingMs: Nullable(DurationMs),
    cls: Nullable(Type.Number()),
  },
  closed,
);
export type VitalsLine = Static<typeof VitalsLine>;

export const OnwardLine = Type.Object(
  {
    edgeId: Text(64),
    at: EpochMs,
    dnsMs: Nullable(DurationMs),
    connectMs: Nullable(DurationMs),
    connectLossRatio: Nullable(Ratio),
    leg: PathLeg,
  },
  closed,
);
export type OnwardLine = Static<typeof OnwardLine>;

export const ApplicationView = Type.Object(
  {
    summary: ApplicationSummary,
    devices: Type.Array(VerdictLine),
    charts: Type.Array(Chart),
    vitals: Type.Array(VitalsLine),
    onward: Type.Array(OnwardLine),
    incidents: Type.Array(IncidentLine),
  },
  closed,
);
export type ApplicationView = Static<typeof ApplicationView>;

export const DeviceSummary = Type.Object(
  {
    id: Text(64),
    name: Text(128),
    platform: Text(64),
    programVersion: Text(32),
    enrolledAt: EpochMs,
    lastSeenAt: Nullable(EpochMs),
    revokedAt: Nullable(EpochMs),
    state: OneOf(viewStates),
    /** The worst of its applications. */
    worst: Nullable(VerdictLine),
    applicationCount: Count,
  },
  closed,
);
export type DeviceSummary = Static<typeof DeviceSummary>;

export const TunnelNow = Type.Object(
  {
    at: EpochMs,
    state: Text(16),
    edgeId: Text(64),
    controlRttMs: Nullable(DurationMs),
    dataRttMs: Nullable(DurationMs),
    queueMs: Nullable(DurationMs),
    underlayRttMs: Nullable(DurationMs),
    streamCount: Nullable(Count),
    reconnectCount: Nullable(Count),
  },
  closed,
);
export type TunnelNow = Static<typeof TunnelNow>;

export const HealthNow = Type.Object(
  {
    at: EpochMs,
    cpuRatio: Nullable(Ratio),
    memoryUsedRatio: Nullable(Ratio),
    linkName: Nullable(Text(64)),
    linkType: Nullable(Text(16)),
    linkSpeedMbps: Nullable(Count),
    gatewayAddress: Nullable(Text(64)),
    gatewayRttMs: Nullable(DurationMs),
    gatewayLossRatio: Nullable(Ratio),
    spoolBytes: Nullable(Count),
  },
  closed,
);
export type HealthNow = Static<typeof HealthNow>;

export const EventLine = Type.Object({ at: EpochMs, name: Text(32), reason: Text(300) }, closed);
export type EventLine = Static<typeof EventLine>;

export const MissedLine = Type.Object(
  { probeId: Text(64), reason: Text(32), runCount: Count },
  closed,
);
export type MissedLine = Static<typeof MissedLine>;

export const DeviceView = Type.Object(
  {
    device: DeviceSummary,
    certificateNotAfter: EpochMs,
    tunnel: Nullable(TunnelNow),
    health: Nullable(HealthNow),
    charts: Type.Array(Chart),
    applications: Type.Array(VerdictLine),
    events: Type.Array(EventLine),
    missed: Type.Array(MissedLine),
    incidents: Type.Array(IncidentLine),
  },
  closed,
);
export type DeviceView = Static<typeof DeviceView>;

/** One run in the table; `failure` null: it met its success condition. */
/** One flow as its edge saw it; '' where it was not told. The edge's clock. */
export const EdgeFlow = Type.Object(
  {
    id: Text(64),
    at: EpochMs,
    edgeId: Text(64),
    appId: Text(64),
    userId: Text(128),
    host: Text(256),
    port: Nullable(Count),
    protocol: Text(8),
    upBytes: Nullable(Count),
    downBytes: Nullable(Count),
    queueMs: Nullable(DurationMs),
    dnsMs: Nullable(DurationMs),
    connectMs: Nullable(DurationMs),
    firstByteMs: Nullable(DurationMs),
    durationMs: Nullable(DurationMs),
    action: Text(16),
    rule: Text(64),
    error: Text(64),
  },
  closed,
);
export type EdgeFlow = Static<typeof EdgeFlow>;

export const RunLine = Type.Object(
  {
    at: EpochMs,
    type: OneOf(probeTypes),
    probeId: Text(64),
    via: Text(16),
    edgeId: Text(64),
    ok: Type.Boolean(),
    totalMs: Nullable(DurationMs),
    /** Status, milestones, hops: whatever this type says in short. */
    detail: Text(200),
    failure: Nullable(
      Type.Object(
        { type: Text(64), source: Text(16), message: Text(500), action: Text(500) },
        closed,
      ),
    ),
    /** Why it is kept out of score and blame; '' when it is not. */
    distortion: Text(32),
    /** Id of the distorted run that it was made again for, and of the request; '' where none. */
    repeats: Text(64),
    requestId: Text(64),
    /** The burst on suspicion it belongs to; '' for none. */
    burstId: Text(64),
    resultId: Nullable(Uuid),
    /** What is kept of this run at `/v1/results/<resultId>/artefacts/<kind>`. */
    artefacts: Type.Array(OneOf(artefactKinds)),
    /** The edge's own account of the run's flow; null where there is none, or it has not come yet. */
    edgeFlowId: Nullable(Text(64)),
    edgeFlow: Nullable(EdgeFlow),
    /** Of a page load: what was done on the page, and what the page complained about. */
    steps: Type.Array(PageStepResult),
    problems: Type.Array(PageProblem),
  },
  closed,
);
export type RunLine = Static<typeof RunLine>;

/**
 * What the tunnel costs: the differences, tunnel less direct, of runs made back to back. The figures
 * are null below six pairs that met their success condition both ways.
 */
export const TunnelTax = Type.Object(
  {
    pairCount: Count,
    medianMs: Nullable(Type.Number()),
    /** The true median lies between these with at least 95 %. */
    lowMs: Nullable(Type.Number()),
    highMs: Nullable(Type.Number()),
    onlyTunnelFailedCount: Count,
    onlyDirectFailedCount: Count,
    /** Which way the newest certificates look made by an inspecting proxy. */
    inspection: OneOf(['tunnel', 'direct', 'both', 'none', 'unknown'] as const),
    sentence: Text(600),
  },
  closed,
);
export type TunnelTax = Static<typeof TunnelTax>;

/** The triage answer for one device and one application. */
export const DeviceApplicationView = Type.Object(
  {
    device: Named,
    application: Named,
    state: OneOf(viewStates),
    verdict: Nullable(Verdict),
    /** Start of the unbroken run of verdicts with this state. */
    since: Nullable(EpochMs),
    /** The verdicts kept do not reach back to the change: it is at least since then. */
    sinceIsBound: Type.Boolean(),
    /** Other devices for which this application is slow or failing now, and how many use it. */
    alsoAffectedCount: Count,
    otherDeviceCount: Count,
    /** Null: there was no pair in the window. */
    tunnelTax: Nullable(TunnelTax),
    path: Type.Array(PathLeg),
    charts: Type.Array(Chart),
    runs: Type.Array(RunLine),
    incidents: Type.Array(IncidentLine),
  },
  closed,
);
export type DeviceApplicationView = Static<typeof DeviceApplicationView>;

export const EdgeLine = Type.Object(
  {
    id: Text(64),
    location: Text(64),
    host: Text(256),
    port: Type.Integer(),
    programVersion: Text(32),
    lastSeenAt: Nullable(EpochMs),
    revokedAt: Nullable(EpochMs),
    sampleAt: Nullable(EpochMs),
    deviceCount: Nullable(Count),
    sessionCount: Nullable(Count),
    streamCount: Nullable(Count),
    cpuRatio: Nullable(Type.Number()),
    loopDelayMs: Nullable(DurationMs),
    queueMs: Nullable(DurationMs),
    dnsMs: Nullable(DurationMs),
    connectMs: Nullable(DurationMs),
    refusedCount: Count,
    dialFailedCount: Count,
    onward: Type.Array(OnwardLine),
  },
  closed,
);
export type EdgeLine = Static<typeof EdgeLine>;
