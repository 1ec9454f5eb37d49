import { randomUUID } from 'node:crypto';
import type { WebhookRule } from '#contract/organisation.ts';
import type { Verdict } from '#contract/verdict.ts';
import type { WebhookMessage, webhookEvents } from '#contract/webhook.ts';
import type { NewDelivery } from '../control/delivery-rows.ts';
import type { Incident, IncidentStep } from '../incident/lifecycle.ts';

/** A shared incident, and the webhooks that heard of it. */
export type SharedNow = { id: string; live: boolean; toldTo: readonly string[] };

/**
 * The messages an incident's step gives rise to: one for each rule that asks for it, but those that
 * heard of the shared incident that explains it. `step` notes which one that was, so that its end is
 * not told either; one that outlasts it is told then.
 */
export const messagesFor = (
  made: IncidentStep,
  context: {
    verdict: Verdict;
    /** The one that was told in this one's place, or that explains the verdict. */
    shared: SharedNow | undefined;
    webhooks: readonly WebhookRule[];
    applicationName: string;
    deviceName: string;
    url: string;
    now: number;
  },
): { step: IncidentStep; deliveries: NewDelivery[] } => {
  const { type, step, silent } = telling(made, context);
  const { incident } = step;
  if (!incident || type === undefined) return { step, deliveries: [] };
  const body = JSON.stringify(messageOf(incident, type, context));
  const rules = context.webhooks.filter(
    (rule) => wants(rule, type, [incident.appId]) && !silent(rule),
  );
  const told = { incidentId: incident.id, type, body, now: context.now };
  return { step, deliveries: rules.map((rule) => newDelivery(rule, told)) };
};

type Telling = {
  step: IncidentStep;
  type: WebhookMessage['type'] | undefined;
  silent: (rule: WebhookRule) => boolean;
};

const telling = (
  step: IncidentStep,
  { verdict, shared }: { verdict: Verdict; shared: SharedNow | undefined },
): Telling => {
  const { incident, change } = step;
  const heard = (rule: WebhookRule) => shared !== undefined && isLeftTo(rule, shared);
  const everyone = () => false;
  if (change === 'opened' && incident) {
    const explained = shared?.live === true && shared.toldTo.length > 0;
    if (!explained) return { step, type: 'verdict.opened', silent: everyone };
    const left = { ...step, incident: { ...incident, toldBy: shared.id } };
    return { step: left, type: 'verdict.opened', silent: heard };
  }
  if (change === 'closed') {
    return { step, type: 'verdict.closed', silent: incident?.toldBy ? heard : everyone };
  }
  const isBad = verdict.state === 'slow' || verdict.state === 'failing';
  if (incident?.state === 'open' && incident.toldBy && shared?.live === false && isBad) {
    const alone = { ...step, incident: { ...incident, toldBy: null } };
    return { step: alone, type: 'verdict.opened', silent: (rule) => !heard(rule) };
  }
  return { step, type: undefined, silent: everyone };
};

/** The rule heard of the shared incident, which is enough for it. */
export const isLeftTo = (rule: WebhookRule, shared: Pick<SharedNow, 'toldTo'>): boolean =>
  rule.eachDevice !== true && shared.toldTo.includes(rule.id);

/** An empty list of events or applications is all of them. */
export const wants = (
  rule: WebhookRule,
  type: (typeof webhookEvents)[number],
  appIds: readonly string[],
): boolean => {
  const { events = [], applications = [] } = rule;
  return (
    (events.length === 0 || events.includes(type)) &&
    (applications.length === 0 || applications.some((id) => appIds.includes(id)))
  );
};

export const newDelivery = (
  rule: WebhookRule,
  told: { incidentId: string; type: string; body: string; now: number },
): NewDelivery => ({
  id: randomUUID(),
  webhookId: rule.id,
  incidentId: told.incidentId,
  eventType: told.type,
  body: told.body,
  state: 'waiting',
  attemptCount: 0,
  lastStatus: null,
  lastError: null,
  createdAt: told.now,
  deliveredAt: null,
});

const messageOf = (
  incident: Incident,
  type: WebhookMessage['type'],
  context: Parameters<typeof messagesFor>[1],
): WebhookMessage => ({
  version: 1,
  type,
  incidentId: incident.id,
  at: context.now,
  application: { id: incident.appId, name: context.applicationName },
  device: { id: incident.deviceId, name: context.deviceName },
  openedAt: incident.openedAt ?? incident.firstSlowAt,
  closedAt: incident.closedAt,
  verdict: context.verdict,
  url: context.url,
});
