import { randomBytes, randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { gunzipSync } from 'node:zlib';
import type { TSchema } from '@sinclair/typebox';
import { check, type Mistake } from '#contract/check.ts';
import {
  collectorServerName,
  type EdgePlace,
  EnrollmentRequest,
  edgeServerName,
  identityUri,
  RenewalRequest,
} from '#contract/enrollment.ts';
import type { DeviceConfig, EdgeConfig } from '#contract/policy.ts';
import { Batch, records, type TelemetryRecord } from '#contract/telemetry.ts';
import {
  certificateFingerprint,
  createAuthority,
  issueFromRequest,
  issueWithKey,
  signText,
  uriNames,
} from '#runtime/certificates.ts';

type Answer = { status: number; headers?: Record<string, string>; body: unknown };
type Identified = { role: 'device' | 'edge'; id: string };

/**
 * The collector's side of the wire, for tests of its clients: real TLS, real certificates, every
 * message checked against the contract, batches stored once by id. It keeps everything in memory
 * and takes orders to misbehave.
 */
export const startCollectorEndpoint = async (
  options: { identityLifeMs?: number; host?: string } = {},
) => {
  const host = options.host ?? '127.0.0.1';
  const authority = await createAuthority('whyslow test tenant', 30);
  const listener = await issueWithKey(authority, {
    commonName: 'collector',
    notAfter: Date.now() + 86_400_000,
    dnsNames: [collectorServerName],
    usages: ['server'],
  });
  const tokens = new Map<string, { uses: number }>();
  const batches = new Map<string, unknown[]>();
  /** Where edges said they are when they renewed, in order. */
  const places: EdgePlace[] = [];
  const requests: { method: string; path: string; status: number }[] = [];
  const orders: { path: string; answer: Answer; times: number }[] = [];
  let duplicateCount = 0;
  const configs = new Map<string, { text: string; signature: string; etag: string }>();
  let presentedCa = authority.certificatePem;
  let refuse: (record: TelemetryRecord) => Mistake[] = () => [];
  let maxRecords = 5_000;
  const lifeMs = options.identityLifeMs ?? 7 * 86_400_000;

  const issue = async ({ role, id }: Identified, requestPem: string): Promise<Answer> => {
    const issued = await issueFromRequest(authority, requestPem, {
      commonName: id,
      notAfter: Date.now() + lifeMs,
      uris: [identityUri(role, id)],
      dnsNames: role === 'edge' ? [edgeServerName(id)] : [],
      usages: role === 'edge' ? ['client', 'server'] : ['client'],
    });
    return {
      status: 200,
      body: {
        version: 1,
        id,
        certificate: issued.certificatePem,
        caCertificate: authority.certificatePem,
        notAfter: issued.notAfter,
      },
    };
  };

  const enroll = async (body: unknown): Promise<Answer> => {
    const request = check(EnrollmentRequest, body);
    if (!request.ok) return problem(400, 'fields are wrong', { errors: request.mistakes });
    const token = tokens.get(request.value.token);
    if (token === undefined) return problem(403, 'the token is unknown');
    if (token.uses === 0) return problem(403, 'the token is used up');
    token.uses -= 1;
    const { role, name } = request.value;
    return issue(
      { role, id: role === 'edge' ? name : randomUUID() },
      request.value.certificateRequest,
    );
  };

  const renew = async (body: unknown, identity: Identified): Promise<Answer> => {
    const request = check(RenewalRequest, body);
    if (!request.ok) return problem(400, 'fields are wrong', { errors: request.mistakes });
    if (request.value.edge) places.push(request.value.edge);
    return issue(identity, request.value.certificateRequest);
  };

  const ingest = (body: unknown): Answer => {
    const batch = check(Batch, body);
    if (!batch.ok) return problem(400, 'not a batch', { errors: batch.mistakes });
    const { id } = batch.value;
    if (batch.value.records.length > maxRecords) return problem(413, 'too large');
    const good: unknown[] = [];
    const errors: Mistake[] = [];
    batch.value.records.forEach((record, index) => {
      const wrong = mistakesIn(record, refuse);
      if (wrong.length === 0) good.push(record);
      for (const { pointer, message } of wrong) {
        errors.push({ pointer: `/records/${index}${pointer}`, message });
      }
    });
    const duplicate = batches.has(id);
    if (duplicate) duplicateCount += 1;
    else batches.set(id, good);
    if (errors.length > 0) {
      const rejectedCount = batch.value.records.length - good.length;
      return problem(400, 'some records are wrong', {
        errors,
        acceptedCount: good.length,
        rejectedCount,
        batchId: id,
      });
    }
    const acceptedCount = duplicate ? 0 : good.length;
    return { status: 200, body: { id, acceptedCount, duplicate, receivedAt: Date.now() } };
  };

  const answer = async (request: IncomingMessage): Promise<Answer> => {
    const path = request.url ?? '';
    const body = await readBody(request);
    const order = orders.find((one) => one.path === path && one.times > 0);
    if (order !== undefined) {
      order.times -= 1;
      return order.answer;
    }
    if (path === '/v1/ca') return { status: 200, body: presentedCa };
    if (path === '/v1/enroll') return enroll(body);
    const identity = identityOf(request.socket as TLSSocket);
    if (identity === undefined) return problem(401, 'no certificate of this tenant');
    if (path === '/v1/renew') return renew(body, identity);
    if (path === '/v1/ingest') return ingest(body);
    if (path !== '/v1/config') return problem(404, 'nothing here');
    const config = configs.get(identity.role);
    if (config === undefined) return problem(404, 'no config yet');
    const headers = { etag: config.etag };
    if (request.headers['if-none-match'] === config.etag) return { status: 304, headers, body: '' };
    return { status: 200, headers, body: { payload: config.text, signature: config.signature } };
  };

  const server = createServer(
    {
      cert: listener.certificatePem,
      key: listener.privateKeyPem,
      ca: authority.certificatePem,
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
    },
    (request, response) => {
      answer(request).then(
        (given) => {
          requests.push({
            method: request.method ?? '',
            path: request.url ?? '',
            status: given.status,
          });
          respond(response, given);
        },
        (error: unknown) => respond(response, problem(500, String(error))),
      );
    },
  );
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;

  const sign = async (text: string, privateKeyPem = authority.privateKeyPem) => ({
    text,
    signature: await signText(privateKeyPem, text),
    etag: `"${randomBytes(4).toString('hex')}"`,
  });

  return {
    url: `https://${host}:${port}`,
    authority,
    requests,
    places,
    batches,
    duplicateCount: () => duplicateCount,
    /** Everything stored, in the order of arrival. */
    stored: (): TelemetryRecord[] => [...batches.values()].flat() as TelemetryRecord[],
    createToken: (uses = 1): string => {
      const id = randomBytes(9).toString('base64url');
      const secret = randomBytes(32).toString('base64url');
      const token = `wse1.${id}.${secret}.${certificateFingerprint(authority.certificatePem)}`;
      tokens.set(token, { uses });
      return token;
    },
    /** What /v1/config serves to that role from now on, rightly signed unless another key is given. */
    setConfig: async (value: DeviceConfig | EdgeConfig | object, privateKeyPem?: string) => {
      const role = 'kind' in value && value.kind === 'edge-config' ? 'edge' : 'device';
      configs.set(role, await sign(JSON.stringify(value), privateKeyPem));
    },
    presentCa: (pem: string) => {
      presentedCa = pem;
    },
    /** The next `times` requests to `path` get this answer instead. */
    order: (path: string, given: Answer, times = 1) => {
      orders.push({ path, answer: given, times });
    },
    /** Forgets all orders. */
    heal: () => {
      orders.splice(0);
    },
    refuseRecords: (judge: (record: TelemetryRecord) => Mistake[]) => {
      refuse = judge;
    },
    limitRecords: (count: number) => {
      maxRecords = count;
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};

export type CollectorEndpoint = Awaited<ReturnType<typeof startCollectorEndpoint>>;

const problem = (status: number, detail: string, more: object = {}): Answer => ({
  status,
  headers: { 'content-type': 'application/problem+json' },
  body: { type: 'about:blank', title: `status ${status}`, status, detail, ...more },
});

const respond = (response: ServerResponse, { status, headers, body }: Answer) => {
  response.writeHead(status, headers);
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
};

const readBody = async (request: IncomingMessage): Promise<unknown> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  if (chunks.length === 0) return undefined;
  const whole = Buffer.concat(chunks);
  const text = request.headers['content-encoding'] === 'gzip' ? gunzipSync(whole) : whole;
  return JSON.parse(text.toString('utf8')) as unknown;
};

const identityOf = (socket: TLSSocket): Identified | undefined => {
  if (!socket.authorized) return undefined;
  const [uri = ''] = uriNames(socket.getPeerCertificate().subjectaltname);
  const found = /^urn:whyslow:(device|edge):(.+)$/.exec(uri);
  if (found?.[1] === undefined || found[2] === undefined) return undefined;
  return { role: found[1] as Identified['role'], id: found[2] };
};

const mistakesIn = (record: unknown, refuse: (record: TelemetryRecord) => Mistake[]): Mistake[] => {
  const { kind, type } = record as { kind: string; type?: string };
  const schema = (records as Record<string, TSchema>)[kind === 'result' ? (type ?? '') : kind];
  if (schema === undefined) return [{ pointer: '/kind', message: `unknown kind ${kind}` }];
  const checked = check(schema, record);
  return checked.ok ? refuse(record as TelemetryRecord) : checked.mistakes;
};
