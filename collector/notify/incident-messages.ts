import type { WebhookRule } from '#contract/organisation.ts';
import type { IncidentMessage } from '#contract/webhook.ts';
import type { SharedRow, Telling } from '../control/fleet-rows.ts';
import { isShared } from '../fleet/shared.ts';
import { newDelivery, wants } from './messages.ts';

/**
 * What a shared incident gives rise to: its opening, once for each rule that asks for it, when it
 * first hits more than one device (or first one of the rule's applications), and its end for those
 * that heard of it.
 */
export const incidentMessages = (
  row: SharedRow,
  context: { webhooks: readonly WebhookRule[]; url: string; now: number },
): Telling => {
  const { webhooks } = context;
  const tell = (type: IncidentMessage['type'], rules: readonly WebhookRule[]) => {
    const body = JSON.stringify(messageOf(row, type, context));
    const told = { incidentId: row.id, type, body, now: context.now };
    return rules.map((rule) => newDelivery(rule, told));
  };
  if (!row.live) {
    const heard = row.endTold ? [] : webhooks.filter(({ id }) => row.toldTo.includes(id));
    const rules = heard.filter((rule) => wants(rule, 'incident.closed', rule.applications ?? []));
    return { deliveries: tell('incident.closed', rules), toldTo: row.toldTo, endTold: true };
  }
  // One that came back after its end was told begins again for everybody.
  const toldTo = row.endTold ? [] : row.toldTo;
  if (!isShared(row.incident)) return { deliveries: [], toldTo, endTold: false };
  const appIds = [...new Set(row.affected.map(({ appId }) => appId))];
  const rules = webhooks.filter(
    (rule) => !toldTo.includes(rule.id) && wants(rule, 'incident.opened', appIds),
  );
  return {
    deliveries: tell('incident.opened', rules),
    toldTo: [...toldTo, ...rules.map(({ id }) => id)],
    endTold: false,
  };
};

const messageOf = (
  { id, incident }: SharedRow,
  type: IncidentMessage['type'],
  { url, now }: { url: string; now: number },
): IncidentMessage => ({
  version: 1,
  type,
  incidentId: id,
  at: now,
  openedAt: incident.startedAt,
  closedAt: incident.endedAt,
  incident,
  url,
});
