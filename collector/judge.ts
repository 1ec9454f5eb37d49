import type { Log } from '#runtime/log.ts';
import type { Fleet } from './control/fleet.ts';
import type { OrganisationVersions } from './control/organisation-versions.ts';
import type { VerdictRows } from './control/verdict-rows.ts';
import { diagnose } from './diagnose/diagnose.ts';
import { inputAt, type Subject } from './diagnose/input.ts';
import { readEvidence } from './evidence.ts';
import { nextIncident } from './incident/lifecycle.ts';
import type { Jobs } from './jobs/jobs.ts';
import { messagesFor } from './notify/messages.ts';
import { verdictPoints } from './store/points.ts';
import type { Store } from './store/store.ts';

type About = { deviceId: string; appId: string };

/**
 * The diagnose job: reads what is stored about one device and application, judges it, keeps the
 * verdict, moves the incident on and queues what has to be told. Judged twice, the same evidence
 * gives the same verdict and changes nothing more.
 */
export const createJudge = (parts: {
  store: Store;
  jobs: Jobs;
  fleet: Fleet;
  organisations: OrganisationVersions;
  verdicts: VerdictRows;
  /** Where people open the pages. */
  pagesUrl: () => string;
  now: () => number;
  log: Log;
}) => {
  const { store, jobs, verdicts, now } = parts;
  const log = parts.log.child({ component: 'judge' });

  return async (about: About): Promise<void> => {
    const points = await readEvidence(store, about, now());
    if (!points) return;
    const { document } = await parts.organisations.current();
    const subject = await nameSubject(parts.fleet, about, document);
    const input = inputAt(points, subject);
    if (!input) return;
    const verdict = diagnose(input);
    await store.write(verdictPoints(verdict));
    const deliveryIds = await verdicts.settle(verdict, (current, judged) => {
      const step = nextIncident(current, judged);
      if (step.change !== 'none') {
        const incidentId = (step.incident ?? current)?.id;
        log.info({ ...about, incidentId, change: step.change }, 'incident changed');
      }
      const context = {
        verdict: judged,
        webhooks: document.webhooks ?? [],
        applicationName: subject.appName,
        deviceName: subject.deviceName,
        url: pageUrl(parts.pagesUrl(), about),
        now: now(),
      };
      return { step, deliveries: messagesFor(step, context) };
    });
    for (const deliveryId of deliveryIds) {
      await jobs.enqueue('notify', { deliveryId }, { id: deliveryId });
    }
  };
};

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
