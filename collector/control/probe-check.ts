import type { Mistake } from '#contract/check.ts';
import { parseServer, serverForms } from '#contract/dns-server.ts';
import { hostMistake } from '#contract/host-pattern.ts';
import type { ProbeSpec } from '#contract/organisation.ts';
import { stepMistakes } from '#contract/page-step.ts';
import { pointerKey } from './json-pointer.ts';

/** What the shape of one probe cannot say. `at` is its pointer. */
export const checkProbe = (spec: ProbeSpec, at: string): Mistake[] => {
  const mistakes: Mistake[] = [];
  if ('url' in spec && !URL.canParse(spec.url)) {
    mistakes.push({ pointer: `${at}/url`, message: 'not a URL: expected https://host/path' });
  }
  if (directOnly.has(spec.type) && (spec.via ?? 'direct') !== 'direct') {
    const message = `a ${spec.type} probe goes direct (edges measure onward by themselves): leave it out`;
    mistakes.push({ pointer: `${at}/via`, message });
  }
  if ('host' in spec) mistakes.push(...checkHost(spec.host, `${at}/host`));
  if (spec.type === 'http') mistakes.push(...checkHttp(spec, at), ...checkHeaders(spec, at));
  if (spec.type === 'page-load') mistakes.push(...stepMistakes(spec.steps ?? [], `${at}/steps`));
  if (spec.type === 'dns') mistakes.push(...checkDns(spec, at));
  if (spec.type === 'tls' && spec.serverName !== '') {
    mistakes.push(...checkHost(spec.serverName, `${at}/serverName`));
  }
  return mistakes;
};

/** What an HTTP tunnel cannot carry. */
const directOnly = new Set<ProbeSpec['type']>(['path', 'dns', 'voice']);

type HttpSpec = Extract<ProbeSpec, { type: 'http' }>;

const checkHttp = (spec: HttpSpec, at: string): Mistake[] => {
  const { method = 'GET', family = 'any', via = 'direct', body, warm = false } = spec;
  const mistakes: Mistake[] = [];
  if (family !== 'any' && via !== 'direct') {
    const message = 'through the tunnel the edge chooses the family: leave it out, or the family';
    mistakes.push({ pointer: `${at}/via`, message });
  }
  if (body !== undefined && (method === 'GET' || method === 'HEAD')) {
    const message = `a ${method} has no body: choose another method, or leave it out`;
    mistakes.push({ pointer: `${at}/body`, message });
  }
  if (warm && !asksOnly.has(method)) {
    const message = `it would send the ${method} twice: only for GET, HEAD and OPTIONS`;
    mistakes.push({ pointer: `${at}/warm`, message });
  }
  return mistakes;
};

/** RFC 9110 §9.2.1: safe methods, which may be repeated. */
const asksOnly = new Set<HttpSpec['method']>(['GET', 'HEAD', 'OPTIONS']);

/** RFC 9110 §5.6.2: what a field's name is made of; and §5.5: no control characters in a value. */
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const unsendable = /[^\t\x20-\x7e\x80-\xff]/;

const checkHeaders = ({ headers = {} }: HttpSpec, at: string): Mistake[] =>
  Object.entries(headers).flatMap(([name, value]) => {
    const pointer = `${at}/headers/${pointerKey(name)}`;
    if (!token.test(name)) {
      const message = `“${name}” is no header’s name: letters, digits and hyphens, without colon or blank`;
      return [{ pointer, message }];
    }
    const message = 'a header’s value is one line of Latin-1: encode what is not';
    return unsendable.test(value) ? [{ pointer, message }] : [];
  });

const checkHost = (host: string | undefined, pointer: string): Mistake[] => {
  const mistake = host === undefined ? undefined : hostMistake(host);
  return mistake === undefined ? [] : [{ pointer, message: `“${host}”: ${mistake}` }];
};

type DnsSpec = Extract<ProbeSpec, { type: 'dns' }>;

const checkDns = ({ name, server = '', compareWith = [] }: DnsSpec, at: string): Mistake[] => {
  const mistakes: Mistake[] = [];
  if (name === '' || /\s|\/|:\d+$/.test(name.replace(/^[0-9a-f:]+$/i, 'address'))) {
    const message = `“${name}” is no name to look up: as app.example.com, without scheme, port or blanks`;
    mistakes.push({ pointer: `${at}/name`, message });
  }
  const servers = [
    ...(server === '' ? [] : [[`${at}/server`, server] as const]),
    ...compareWith.map((text, index) => [`${at}/compareWith/${index}`, text] as const),
  ];
  for (const [pointer, text] of servers) {
    if (parseServer(text) !== undefined) continue;
    mistakes.push({ pointer, message: `“${text}” is no name server: expected ${serverForms}` });
  }
  return mistakes;
};
