import { Type } from '@sinclair/typebox';
import { knownNames } from '#contract/known-names.ts';
import type { ProbeDefinition } from '#contract/plan.ts';
import { Burst, RunOrder } from '#contract/run-request.ts';
import { Count, closed, EpochMs, Nullable, OneOf, Slug, Text, Uuid } from '#contract/scalar.ts';
import { answers } from '../http/answers.ts';
import type { App } from '../http/app.ts';
import { actorOf, type OperatorAuth } from '../http/operator-auth.ts';
import { Problem } from '../http/problems.ts';
import type { Store } from '../store/store.ts';
import { withEdgeFlows } from '../triage/edge-flows.ts';
import { recentRuns } from '../triage/runs.ts';
import type { RunLine } from '../triage/views.ts';
import type { Fleet } from './fleet.ts';
import type { HeldQuestions } from './held-questions.ts';
import {
  longestOrderMs,
  type RunRequestRow,
  type RunRequests,
  shownState,
} from './run-requests.ts';

const security = [{ operatorToken: [] }];

const Wish = Type.Object(
  {
    /** One of the two: all probes of an application, or those named. */
    application: Type.Optional(Slug),
    probes: Type.Optional(RunOrder.properties.probes),
    burst: Type.Optional(Type.Object(Burst.properties, closed)),
    har: Type.Optional(Type.Boolean()),
  },
  { ...closed, $id: 'RunRequestWish' },
);

const fields = {
  id: Uuid,
  deviceId: Uuid,
  state: OneOf(['queued', 'picked-up', 'running', 'done', 'expired'] as const),
  probes: Type.Array(Slug),
  /** Runs asked for, made until now, and known not to come. */
  runCount: Count,
  madeCount: Count,
  lostCount: Count,
  /** Why it ended before all was made; '' when it was. */
  reason: Text(300),
  createdAt: EpochMs,
  expiresAt: EpochMs,
  /** The device's clock. */
  pickedUpAt: Nullable(EpochMs),
  reportedAt: Nullable(EpochMs),
};
const Request = Type.Object(fields, { $id: 'RunRequestState' });
const RequestWithRuns = Type.Object(
  {
    ...fields,
    /** What is stored of it, the newest first. */
    resultIds: Type.Array(Text(64)),
    runs: Type.Array(Type.Unknown({ description: 'as in the triage answer' })),
  },
  { $id: 'RunRequestAnswer' },
);

const { 200: queued, ...problems } = answers(Request, 'Queued: not begun yet');

/** A result's start is after the request was picked up, both by the device's clock. */
const slackMs = 1_000;
/** Rows read of each kind of probe; those of the plan are among them. */
const mostRuns = 3_000;

type Parts = {
  runRequests: RunRequests;
  planOf: (deviceId: string) => Promise<readonly ProbeDefinition[]>;
  held: Pick<HeldQuestions, 'wake'>;
  fleet: Pick<Fleet, 'device'>;
  store: Store;
  auth: OperatorAuth;
  now: () => number;
};

/** Runs on demand: ask a device to measure now, and see what came of it. */
export const registerRunRoutes = (app: App, parts: Parts): void => {
  const { runRequests, fleet, auth, now } = parts;
  const tags = ['runs'];

  app.post(
    '/v1/devices/:id/runs',
    {
      schema: {
        tags,
        security,
        summary: 'Measure now: probes of the device’s plan, once or in a burst',
        description:
          'Picked up at once by a device that waits for it, else when it next asks for its config; ' +
          'expired when that takes more than five minutes. Bursts end when the device’s budget does.',
        params: Type.Object({ id: Uuid }),
        body: Wish,
        response: { 202: queued, ...problems },
      },
      onRequest: auth.require('admin'),
    },
    async (request, reply) => {
      const deviceId = request.params.id;
      const device = await fleet.device(deviceId);
      if (device === undefined) throw noSuch('device');
      if (device.revokedAt !== null) throw noSuch('device that is not revoked');
      const { application, probes, burst, har } = request.body;
      const order = {
        probes: chooseProbes(await parts.planOf(deviceId), { application, probes }),
        ...(burst === undefined ? {} : { burst }),
        ...(har === undefined ? {} : { har }),
      };
      const row = await runRequests.create({ deviceId, order }, actorOf(auth.of(request)), now());
      parts.held.wake(deviceId);
      return reply.code(202).send(shown(row, now()));
    },
  );

  app.get(
    '/v1/devices/:id/runs/:runRequestId',
    {
      schema: {
        tags,
        security,
        summary: 'How far a request is, and its results',
        params: Type.Object({ id: Uuid, runRequestId: Uuid }),
        response: answers(RequestWithRuns, 'The request'),
      },
      onRequest: auth.require('viewer'),
    },
    async (request) => {
      const { id, runRequestId } = request.params;
      const row = await runRequests.find(id, runRequestId);
      if (row === undefined) throw noSuch('request of this device');
      const runs = await runsOf(parts.store, row);
      const resultIds = runs.flatMap(({ resultId }) => resultId ?? []);
      return { ...shown(row, now()), resultIds, runs };
    },
  );
};

const noSuch = (what: string) => new Problem('not-found', { detail: `there is no such ${what}` });

const orderOf = (row: RunRequestRow): RunOrder => row.order as RunOrder;

const shown = (row: RunRequestRow, now: number) => ({
  id: row.id,
  deviceId: row.deviceId,
  state: shownState(row, now),
  probes: orderOf(row).probes,
  runCount: row.runCount,
  madeCount: row.madeCount,
  lostCount: row.lostCount,
  reason: row.reason,
  createdAt: row.createdAt,
  expiresAt: row.expiresAt,
  pickedUpAt: row.pickedUpAt,
  reportedAt: row.reportedAt,
});

const runsOf = async (store: Store, row: RunRequestRow): Promise<RunLine[]> => {
  if (row.pickedUpAt === null) return [];
  const fromMs = row.pickedUpAt - slackMs;
  const window = { fromMs, toMs: row.pickedUpAt + longestOrderMs, everyMs: 60_000 };
  const tags = { device: row.deviceId, probe: orderOf(row).probes };
  const runs = await recentRuns(store, window, tags, mostRuns);
  const own = runs.filter(({ requestId }) => requestId === row.id);
  return withEdgeFlows(store, row.deviceId, own);
};

/** Of the plan the device has; a name that is not in it is an error, not silence. */
const chooseProbes = (
  plan: readonly ProbeDefinition[],
  wish: { application: string | undefined; probes: string[] | undefined },
): string[] => {
  const { application, probes } = wish;
  if ((application === undefined) === (probes === undefined)) {
    throw wrong('', 'give either the application or the probes');
  }
  const found = plan
    .filter(({ appId, id }) => (probes ? probes.includes(id) : appId === application))
    .map(({ id }) => id);
  const missing = probes?.find((id) => !found.includes(id));
  if (missing !== undefined) {
    const known = knownNames(plan.map(({ id }) => id));
    throw wrong('/probes', `this device’s plan has no probe ${missing}${known}`);
  }
  if (found.length === 0) {
    const known = knownNames(plan.map(({ appId }) => appId));
    throw wrong('/application', `this device measures no application ${application}${known}`);
  }
  if (found.length > mostProbes) throw wrong('/application', `more than ${mostProbes} probes`);
  return found;
};

const mostProbes = 64;

const wrong = (pointer: string, message: string) =>
  new Problem('invalid-fields', { errors: [{ pointer, message }] });
