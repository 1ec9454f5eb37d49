import { randomUUID } from 'node:crypto';
import type { WebhookRule } from '#contract/organisation.ts';
import type { Verdict } from '#contract/verdict.ts';
import type { WebhookMessage } from '#contract/webhook.ts';
import type { NewDelivery } from '../control/delivery-rows.ts';
import type { Incident, IncidentStep } from '../incident/lifecycle.ts';

/** The messages an incident's step gives rise to: one for each rule that asks for it. */
export const messagesFor = (
  step: IncidentStep,
  context: {
    verdict: Verdict;
    webhooks: readonly WebhookRule[];
    applicationName: string;
    deviceName: string;
    url: string;
    now: number;
  },
): NewDelivery[] => {
  const { incident } = step;
  const type = eventOf(step);
  if (!incident || type === undefined) return [];
  const body = JSON.stringify(messageOf(incident, type, context));
  return context.webhooks
    .filter((rule) => wants(rule, type, incident.appId))
    .map((rule) => ({
      id: randomUUID(),
      webhookId: rule.id,
      incidentId: incident.id,
      eventType: type,
      body,
      state: 'waiting' as const,
      attemptCount: 0,
      lastStatus: null,
      lastError: null,
      createdAt: context.now,
      deliveredAt: null,
    }));
};

const eventOf = ({ change }: IncidentStep): WebhookMessage['type'] | undefined => {
  if (change === 'opened') return 'verdict.opened';
  return change === 'closed' ? 'verdict.closed' : undefined;
};

const wants = (rule: WebhookRule, type: WebhookMessage['type'], appId: string): boolean => {
  const { events = [], applications = [] } = rule;
  return (
    (events.length === 0 || events.includes(type)) &&
    (applications.length === 0 || applications.includes(appId))
  );
};

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
