import { type SharedIncident, segmentNames } from '#contract/verdict.ts';
import { eachTime, evidenceLines, wrapped } from './reasoning.ts';

/** A shared incident in the same form. */
export const incidentReasoning = (incident: SharedIncident): string => {
  const { element, family, segment, deviceCount, pairCount, healthyDeviceCount } = incident;
  const lines = [
    `INCIDENT ${incident.id} (${incident.endedAt === null ? 'goes on' : 'has ended'}, ${Math.round(incident.confidence * 100)} % sure)`,
    '',
    ...wrapped(incident.sentence),
    '',
    `what       ${element.name} (${family}, ${segmentNames[segment]})`,
    `how much   ${amountOf(incident)}`,
    `who        ${deviceCount} devices (${pairCount} with an application each), level ${incident.level}; ${healthyDeviceCount} that meet it show nothing`,
    `when       ${utc(incident.startedAt)} to ${incident.endedAt === null ? 'now' : utc(incident.endedAt)}`,
    `so far     ${Math.round(incident.impactMsMinutes)} milliseconds × minutes over everyone who has it`,
    '',
    ...evidenceLines(incident.evidence, 'against'),
    ...evidenceLines(incident.evidence, 'cleared'),
    ...evidenceLines(incident.evidence, 'context'),
  ];
  return lines.join('\n');
};

const amountOf = ({ causeKind, perRoundTripMs, lossRatio, element }: SharedIncident): string => {
  if (causeKind === 'failure') return 'nothing is answered';
  return causeKind === 'loss'
    ? `${((lossRatio ?? 0) * 100).toFixed(1)} % of the packets are lost`
    : `${(perRoundTripMs ?? 0).toFixed(1)} ms ${eachTime(element)}`;
};

const utc = (ms: number): string =>
  `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
