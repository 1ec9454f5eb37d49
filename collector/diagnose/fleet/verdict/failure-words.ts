import type { Segment } from '#contract/verdict.ts';
import { causes } from '../../causes/causes.ts';
import type { Accepted } from '../accepted.ts';
import type { Told } from './family-words.ts';

/** What does not work, in words: the type stands in the evidence. */
export const failureSays = ({ name }: Told, { segment, scope }: Accepted): string => {
  const what = causes[segment].fails;
  return scope === 'device' ? what : `${what} (${name})`;
};

/** What to do when nothing comes back: no ledger to look at, so the words are plainer. */
export const failureActions = {
  device: 'Check that the agent runs (`whyslow agent status`) and restart it.',
  gateway: 'Check the gateway and the site’s internet line.',
  'client-edge':
    'Check the device’s network, then the path and the firewalls on the way to the edge.',
  'tunnel-queue': 'Check the tunnel (`whyslow agent status`).',
  'in-edge': 'Check the edge’s load and log; move devices to another edge.',
  'edge-origin':
    'Check from elsewhere whether the application is up, then the path behind the edge.',
  dns: 'Check the name for typing errors, then the resolver and the domain’s name servers.',
  tls: 'Check the server’s certificate and TLS versions, and whether something inspects TLS on the way.',
  server: 'Tell the application’s owner, with the time and the type of the failure.',
  transfer: 'Check for a firewall or path-MTU problem that breaks long answers.',
  page: 'Open the page in a browser; tell the application’s owner what it shows.',
} as const satisfies Record<Segment, string>;
