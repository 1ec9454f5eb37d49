import type { Verdict } from '#contract/verdict.ts';
import type { Log } from '#runtime/log.ts';
import type { Fleet } from './control/fleet.ts';
import type { FleetRows } from './control/fleet-rows.ts';
import type { OrganisationVersions } from './control/organisation-versions.ts';
import type { VerdictRows } from './control/verdict-rows.ts';
import { diagnose } from './diagnose/diagnose.ts';
import { type EvidencePoints, inputAt, knownAt, type Subject } from './diagnose/input.ts';
import { readEvidence } from './evidence.ts';
import type { BinClock } from './fleet/bin-clock.ts';
import { settle } from './fleet/settle.ts';
import { nextIncident, pastIncident } from './incident/lifecycle.ts';
import type { Jobs } from './jobs/jobs.ts';
import { messagesFor } from './notify/messages.ts';
import { pastOutages } from './past-outages.ts';
import { verdictPoints } from './store/points.ts';
import type { Store } from './store/store.ts';

type About = { deviceId: string; appId: string };

/**
 * The diagnose job: reads what is stored about one device and application, judges it, takes what the
 * fleet's newest bin says of the cause, keeps the verdict, moves the incident on and queues what has
 * to be told. Judged twice, the same evidence gives the same verdict and changes nothing more.
 */
export const createJudge = (parts: {
  store: Store;
  jobs: Jobs;
  fleet: Fleet;
  organisations: OrganisationVersions;
  verdicts: VerdictRows;
  fleetRows: Pick<FleetRows, 'standing'>;
  clock: BinClock;
  /** Told of each verdict once it is kept. */
  onVerdict: (verdict: Verdict) => void;
  /** Where people open the pages. */
  pagesUrl: () => string;
  now: () => number;
  log: Log;
}) => {
  const { store, jobs, verdicts, now } = parts;
  const log = parts.log.child({ component: 'judge' });

  /** Of a device that was cut off: what it saw meanwhile, before what is now. */
  const keepPast = async (points: EvidencePoints, subject: Subject): Promise<void> => {
    const outages = pastOutages(points, subject);
    if (outages.length === 0) return;
    const newestAt = await verdicts.newestAt(subject.deviceId, subject.appId);
    // Without any before, nobody had asked.
    if (newestAt === undefined) return;
    for (const outage of outages.filter(({ toMs }) => toMs > newestAt)) {
      const input = inputAt(knownAt(points, outage.toMs), subject);
      const verdict = input === undefined ? undefined : diagnose(input);
      if (verdict?.state !== 'failing') continue;
      await store.write(verdictPoints(verdict));
      await verdicts.keepPast(verdict, pastIncident(verdict, outage));
    }
  };

  return async (about: About): Promise<void> => {
    const points = await readEvidence(store, about, now());
    if (!points) return;
    const { document } = await parts.organisations.current();
    const subject = await nameSubject(parts.fleet, about, document);
    const input = inputAt(points, subject);
    if (!input) return;
    await keepPast(points, subject);
    const standing = await parts.fleetRows.standing(about.deviceId, about.appId);
    const verdict = settle(diagnose(input), standing);
    await store.write(verdictPoints(verdict));
    const deliveryIds = await verdicts.settle(verdict, (current, judged, shared) => {
      const step = nextIncident(current, judged);
      if (step.change !== 'none') {
        const incidentId = (step.incident ?? current)?.id;
        log.info({ ...about, incidentId, change: step.change }, 'incident changed');
      }
      return messagesFor(step, {
        verdict: judged,
        shared,
        webhooks: document.webhooks ?? [],
        applicationName: subject.appName,
        deviceName: subject.deviceName,
        url: pageUrl(parts.pagesUrl(), about),
        now: now(),
      });
    });
    parts.onVerdict(verdict);
    const delayMs = deliveryIds.length === 0 ? 0 : await patienceMs(parts, verdict);
    for (const deliveryId of deliveryIds) {
      await jobs.enqueue('notify', { deliveryId }, { id: deliveryId, delayMs });
    }
  };
};

/**
 * The first device's message goes at once. Of further ones like it, a shared incident may be told
 * instead: they wait for the bin that is open now to be judged.
 */
const patienceMs = async (
  { verdicts, clock, now }: { verdicts: VerdictRows; clock: BinClock; now: () => number },
  verdict: Verdict,
): Promise<number> => {
  const isBad = verdict.state === 'slow' || verdict.state === 'failing';
  const nowMs = now();
  if (!isBad || !(await verdicts.hasLike(verdict, nowMs - binsAlike * clock.binMs))) return 0;
  const closesMs = clock.closesAt(clock.newestClosed(nowMs) + 1);
  return closesMs - nowMs + Math.max(minTickMs, clock.graceMs / 2);
};

/** Incidents that began within so many bins of each other may be one. */
const binsAlike = 2;
/** What the judging of a bin takes. */
const minTickMs = 2_000;

/** What people call the device, the application and the edges; ids where there is no name. */
const nameSubject = async (
  fleet: Fleet,
  { deviceId, appId }: About,
  organisation: { applications: readonly { id: string; name: string }[] },
): Promise<Subject> => {
  const [device, edges] = await Promise.all([fleet.device(deviceId), fleet.edges()]);
  const application = organisation.applications.find(({ id }) => id === appId);
  const named = edges.filter(({ location }) => location !== '');
  return {
    deviceId,
    appId,
    deviceName: device?.name ?? deviceId,
    appName: application?.name ?? appId,
    edgeNames: Object.fromEntries(named.map(({ id, location }) => [id, location])),
  };
};

const pageUrl = (base: string, { deviceId, appId }: About): string =>
  `${base}/devices/${encodeURIComponent(deviceId)}/applications/${encodeURIComponent(appId)}`;
