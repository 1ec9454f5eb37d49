import { isIP } from 'node:net';
import { type Static, type TObject, Type } from '@sinclair/typebox';
import { check, explain, type Mistake } from '#contract/check.ts';
import type { NodeRole } from '../topology/topology.ts';

const longestMs = 120_000;
const ratio = (description: string) => Type.Number({ minimum: 0, maximum: 1, description });
const milliseconds = (description: string) =>
  Type.Number({ minimum: 0, maximum: longestMs, description });
const strict = { additionalProperties: false };

const webBehaviour = Type.Object(
  {
    /** Between the request and the first byte of its answer. */
    thinkMs: milliseconds(`0 to ${longestMs}`),
    /** TCP is accepted at once, the TLS handshake begins this much later. */
    tlsDelayMs: milliseconds(`0 to ${longestMs}`),
    /** Share of requests, at random, answered with `errorStatus`. */
    errorRatio: ratio('0 to 1'),
    errorStatus: Type.Integer({ minimum: 400, maximum: 599, description: '400 to 599' }),
    /** Of each answer's body; null: as fast as the network takes it. */
    bytesPerSecond: Type.Union([Type.Null(), Type.Number({ minimum: 100, maximum: 1e9 })], {
      description: 'null, or 100 to 1e9',
    }),
    /** Text added to the page itself. */
    extraPageBytes: Type.Integer({ minimum: 0, maximum: 50_000_000, description: '0 to 50e6' }),
    /** Images of 30 kB added to the page. */
    extraImageCount: Type.Integer({ minimum: 0, maximum: 200, description: '0 to 200' }),
    /** Requests are read and never answered. */
    hangs: Type.Boolean(),
    /** A change ends the open connections, as a restarted server would. */
    certificate: Type.Union(
      [Type.Literal('good'), Type.Literal('expired'), Type.Literal('wrong-name')],
      { description: 'good, expired or wrong-name' },
    ),
    /** Nobody listens: connections are refused (RST), open ones ended. */
    refuses: Type.Boolean(),
  },
  strict,
);

const nameBehaviour = Type.Object(
  {
    /** Between a question and its answer. */
    delayMs: milliseconds(`0 to ${longestMs}`),
    /** Share of questions, at random, never answered. */
    dropRatio: ratio('0 to 1'),
    /** Anything but NOERROR is the answer to every question. */
    rcode: Type.Union(
      [
        Type.Literal('NOERROR'),
        Type.Literal('SERVFAIL'),
        Type.Literal('NXDOMAIN'),
        Type.Literal('REFUSED'),
      ],
      { description: 'NOERROR, SERVFAIL, NXDOMAIN or REFUSED' },
    ),
    /** Other addresses for a name in lower case, both families in one list; empty: it has none. */
    wrongAnswers: Type.Record(Type.String(), Type.Array(Type.String())),
  },
  strict,
);

export type WebBehaviour = Static<typeof webBehaviour>;
export type NameBehaviour = Static<typeof nameBehaviour>;

export const healthyWeb: WebBehaviour = {
  thinkMs: 0,
  tlsDelayMs: 0,
  errorRatio: 0,
  errorStatus: 503,
  bytesPerSecond: null,
  extraPageBytes: 0,
  extraImageCount: 0,
  hangs: false,
  certificate: 'good',
  refuses: false,
};

export const healthyNames: NameBehaviour = {
  delayMs: 0,
  dropRatio: 0,
  rcode: 'NOERROR',
  wrongAnswers: {},
};

/** What arrived at a node's service since it started. Targets beyond 500 are counted as `other`. */
export type Requests = {
  /** TCP connections accepted. */
  connections: number;
  /** Requests or questions, answered or not. */
  count: number;
  /** By path (`/health`), question (`crm.saas.test AAAA`) or, at a portal, host and path. */
  byTarget: Record<string, number>;
  /** By status or response code. */
  byAnswer: Record<string, number>;
  /** By the address it came from. */
  bySource: Record<string, number>;
  /** `h2`, `http/1.1`, `udp`, `tcp`. */
  byProtocol: Record<string, number>;
};

/** Running services: a process of their own, reached by a Unix socket. */
export type Services = {
  /** Changes what is given and keeps the rest; rejects with the field's name for a wrong one. */
  set(node: string, change: Readonly<Record<string, unknown>>): Promise<void>;
  get(node: string): Promise<WebBehaviour | NameBehaviour>;
  /** Every node healthy again; counters go on. */
  reset(): Promise<void>;
  requests(node: string): Promise<Requests>;
  /** Ends the process. */
  stop(): Promise<void>;
  /** Lets go; the services go on. */
  close(): void;
};

/** Where a gateway's captive portal listens (TCP, both families); a fault leads port 80 here. */
export const portalPort = 8081;

/** The collector's operator listener, in its own namespace. */
export const operatorPort = 80;

const schemas: Partial<Record<NodeRole, TObject>> = {
  server: Type.Partial(webBehaviour, strict),
  'name-server': Type.Partial(nameBehaviour, strict),
};

/** What is wrong with a change, a line each with the field's name; undefined: nothing. */
export const wrongInChange = (role: NodeRole, change: unknown): string | undefined => {
  const schema = schemas[role];
  if (schema === undefined) return `a ${role} has no behaviour to set`;
  const checked = check(schema, change);
  const mistakes = checked.ok ? wrongAddresses(checked.value) : checked.mistakes;
  if (mistakes.length === 0) return undefined;
  return `${explain(mistakes)}\nfields: ${Object.keys(schema.properties).join(', ')}`;
};

const wrongAddresses = ({ wrongAnswers = {} }: Partial<NameBehaviour>): Mistake[] =>
  Object.entries(wrongAnswers).flatMap(([name, addresses]) =>
    addresses.some((address) => isIP(address) === 0)
      ? [{ pointer: `/wrongAnswers/${name}`, message: 'expected IPv4 or IPv6 addresses' }]
      : [],
  );
