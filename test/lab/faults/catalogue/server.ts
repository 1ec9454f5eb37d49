import type { Segment } from '#contract/verdict.ts';
import type { Fault } from '../fault.ts';
import { devices, soonMs } from './words.ts';

type Server = 's1' | 's2' | 'w1' | 'tp';

const ownerOf = { s1: 'crm', s2: 'docs', w1: 'wiki', tp: 'crm' } as const;

/** Everyone who uses what runs there sees it, and nobody else. */
const truthAt = (
  element: Server,
  segments: readonly [Segment, ...Segment[]],
  state: 'slow' | 'failing',
): Fault['truth'] => ({
  blame: 'segment',
  segments,
  element,
  states: [state],
  devices,
  applications: [ownerOf[element]],
});

const change = (node: Server, set: Readonly<Record<string, unknown>>): Fault['actions'] => [
  { do: 'service', node, set },
];

/** The applications themselves and the hosts their pages use. */
export const serverFaults: readonly Fault[] = [
  {
    name: 'server-slow',
    kinds: ['slow-server', 'other-application'],
    what: 'The documents’ server thinks for 400 ms; the CRM next door is well.',
    actions: change('s2', { thinkMs: 400 }),
    truth: truthAt('s2', ['server'], 'slow'),
    settleMs: soonMs,
  },
  {
    name: 'server-slow-tls',
    kinds: ['slow-tls'],
    what: 'The CRM’s server holds every TLS handshake back for 250 ms.',
    actions: change('s1', { tlsDelayMs: 250 }),
    truth: truthAt('s1', ['tls'], 'slow'),
    settleMs: soonMs,
  },
  {
    name: 'server-slow-body',
    kinds: ['slow-body'],
    what: 'The CRM’s server sends its page at 5 kB/s.',
    actions: change('s1', { bytesPerSecond: 5_000 }),
    truth: truthAt('s1', ['transfer', 'server'], 'slow'),
    settleMs: soonMs,
  },
  {
    name: 'server-errors',
    kinds: ['server-errors'],
    what: 'The CRM’s server answers every request with 503.',
    actions: change('s1', { errorRatio: 1, errorStatus: 503 }),
    truth: truthAt('s1', ['server'], 'failing'),
    settleMs: soonMs,
  },
  {
    name: 'server-refuses',
    kinds: ['server-refuses'],
    what: 'On the CRM’s server nobody listens: connections are refused.',
    actions: change('s1', { refuses: true }),
    truth: truthAt('s1', ['server'], 'failing'),
    settleMs: soonMs,
  },
  {
    name: 'server-hangs',
    kinds: ['server-hangs'],
    what: 'The documents’ server takes requests and never answers.',
    actions: change('s2', { hangs: true }),
    truth: truthAt('s2', ['server'], 'failing'),
    settleMs: soonMs,
  },
  {
    name: 'server-certificate-expired',
    kinds: ['expired-certificate'],
    what: 'The certificate of the documents has expired.',
    actions: change('s2', { certificate: 'expired' }),
    truth: truthAt('s2', ['tls'], 'failing'),
    settleMs: soonMs,
  },
  {
    name: 'document-heavy',
    kinds: ['heavy-page', 'slow-body'],
    what: 'The document itself has grown by 1 MB.',
    actions: change('s2', { extraPageBytes: 1_000_000 }),
    truth: truthAt('s2', ['transfer', 'page'], 'slow'),
    settleMs: soonMs,
  },
  {
    name: 'page-heavy',
    kinds: ['heavy-page'],
    what: 'The CRM’s page has 120 images of 30 kB more; its document is hardly larger.',
    actions: change('s1', { extraImageCount: 120 }),
    truth: truthAt('s1', ['page'], 'slow'),
    settleMs: soonMs,
    needs: 'page-load',
  },
  {
    name: 'third-party-slow',
    kinds: ['slow-third-party'],
    what: 'The host of a script in the CRM’s page takes 1.5 s to answer.',
    actions: change('tp', { thinkMs: 1_500 }),
    truth: truthAt('tp', ['page'], 'slow'),
    settleMs: soonMs,
    needs: 'page-load',
  },
  {
    name: 'private-server-slow',
    kinds: ['private-application', 'slow-server'],
    what: 'The server of the private wiki thinks for 500 ms.',
    actions: change('w1', { thinkMs: 500 }),
    truth: truthAt('w1', ['server'], 'slow'),
    settleMs: soonMs,
  },
];
