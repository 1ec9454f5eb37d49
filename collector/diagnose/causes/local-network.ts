import type { Evidence } from '#contract/verdict.ts';
import { nearest } from '../nearest.ts';
import { sayMs, sayPercent } from '../wording.ts';
import { type Cause, nearRunMs, type Scene } from './cause.ts';

/** Device to default gateway: Wi-Fi, cable, switch. */
export const localNetwork: Cause = {
  group: 'network',
  noun: 'the local network (device to gateway)',
  says: (ms) => `the local network between the device and its gateway takes ${sayMs(ms)}`,
  action: (scene) =>
    sampleNear(scene)?.fields.link_type === 'wifi'
      ? 'Move closer to the Wi-Fi access point or use a cable; if others there are slow too, check the access point.'
      : 'Check the cable, the switch and the gateway’s load; if others at the same place are slow too, it is the gateway.',
  fails: 'the local network does not work',
  looks: (scene) => looksAtGateway(scene),
};

const sampleNear = (scene: Scene) =>
  nearest(scene.input.device, nearRunMs(scene), (point) => point.fields.gateway_address !== null);

const looksAtGateway = (scene: Scene): Evidence[] => {
  const fields = sampleNear(scene)?.fields;
  if (fields === undefined || fields.gateway_rtt_ms === null) return [];
  const loss = fields.gateway_loss_ratio ?? 0;
  const link = fields.link_type === null ? '' : ` over ${fields.link_type}`;
  return [
    {
      finding: 'context',
      segment: 'gateway',
      text: `The gateway ${fields.gateway_address} answers in ${sayMs(fields.gateway_rtt_ms)}${link}, ${sayPercent(loss)} unanswered.`,
      value: fields.gateway_rtt_ms,
      baseline: null,
      unit: 'ms',
    },
  ];
};
