import type { Fault } from '../fault.ts';
import { devices, hosted, impairBoth, laterMs, soonMs } from './words.ts';

/** Look-ups through the tunnel are the edge's, at nsp; the wiki is reached by address. */
export const nameFaults: readonly Fault[] = [
  {
    name: 'resolver-slow',
    kinds: ['slow-dns'],
    what: 'The edges’ resolver takes 200 ms to answer.',
    actions: [{ do: 'service', node: 'nsp', set: { delayMs: 200 } }],
    truth: {
      blame: 'segment',
      segments: ['dns'],
      element: 'nsp',
      states: ['slow'],
      devices,
      applications: hosted,
    },
    settleMs: soonMs,
  },
  {
    name: 'resolver-far',
    kinds: ['slow-dns', 'delay'],
    what: 'The way to the edges’ resolver takes 60 ms more each way.',
    actions: impairBoth('ix-nsp', { delayMs: 60 }),
    truth: {
      blame: 'segment',
      segments: ['dns'],
      element: 'ix-nsp',
      alsoElements: ['nsp', 'ix'],
      states: ['slow'],
      devices,
      applications: hosted,
    },
    settleMs: soonMs,
  },
  {
    name: 'resolver-loses',
    kinds: ['slow-dns', 'broken-dns'],
    what: 'The edges’ resolver leaves half of all questions unanswered.',
    actions: [{ do: 'service', node: 'nsp', set: { dropRatio: 0.5 } }],
    truth: {
      blame: 'segment',
      segments: ['dns'],
      element: 'nsp',
      states: ['slow', 'failing'],
      devices,
      applications: hosted,
    },
    settleMs: laterMs,
  },
  {
    name: 'resolver-broken',
    kinds: ['broken-dns'],
    what: 'The edges’ resolver answers every question with SERVFAIL.',
    actions: [{ do: 'service', node: 'nsp', set: { rcode: 'SERVFAIL' } }],
    truth: {
      blame: 'segment',
      segments: ['dns'],
      element: 'nsp',
      states: ['failing'],
      devices,
      applications: hosted,
    },
    settleMs: laterMs,
  },
  {
    name: 'name-missing',
    kinds: ['broken-dns', 'other-application'],
    what: 'The name of the CRM has lost its addresses.',
    actions: [{ do: 'service', node: 'nsp', set: { wrongAnswers: { 'crm.saas.test': [] } } }],
    truth: {
      blame: 'segment',
      segments: ['dns'],
      element: 'nsp',
      states: ['failing'],
      devices,
      applications: ['crm'],
    },
    settleMs: soonMs,
  },
];
