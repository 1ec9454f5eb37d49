import { randomUUID } from 'node:crypto';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { startCollector } from '#collector/collector.ts';
import { type CollectorProgramConfig, collectorDefaults } from '#collector/config.ts';
import { collectorServerName, type EnrollmentResponse } from '#contract/enrollment.ts';
import { createRequest } from '#runtime/certificates.ts';
import { type Log, silentLog } from '#runtime/log.ts';
import { layEmptyState } from './empty-state.ts';
import { makeFolder, removeFolder } from './server-process.ts';

/** What came back; `json` is {} where the body is none. */
export type Answer = {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  json: Record<string, unknown>;
};

/** A certificate with its key, as a device or edge holds it. */
export type Holder = { id: string; certificatePem: string; privateKeyPem: string };

export type DeviceCall = {
  method?: string;
  as?: Holder | undefined;
  body?: unknown;
  raw?: Buffer;
  headers?: Record<string, string>;
};

/** A whole collector on loopback with a folder of its own, and hands to speak to it. */
export const startCollectorLab = async (
  changes: Partial<CollectorProgramConfig> = {},
  log: Log = silentLog(),
) => {
  const folder = changes.stateFolder ?? makeFolder('collector');
  const config: CollectorProgramConfig = {
    ...collectorDefaults,
    stateFolder: folder,
    deviceListen: { host: '127.0.0.1', port: 0 },
    operatorListen: { host: '127.0.0.1', port: 0 },
    diagnoseDelayMs: 50,
    ...changes,
  };
  if (config.state.engine === 'pglite') await layEmptyState(join(folder, 'state'));
  const collector = await startCollector(config, { log });
  const hands = collectorHands(collector);
  return {
    ...collector,
    ...hands,
    folder,
    config,
    async stop(): Promise<void> {
      await collector.stop();
      if (changes.stateFolder === undefined) removeFolder(folder);
    },
  };
};

export type CollectorLab = Awaited<ReturnType<typeof startCollectorLab>>;

/** The same for a collector that runs elsewhere. */
export const collectorHands = (at: {
  deviceUrl: string;
  operatorUrl: string;
  operatorToken?: string;
}) => {
  const operator = async (
    path: string,
    init: {
      method?: string;
      body?: unknown;
      token?: string | null;
      headers?: Record<string, string>;
    } = {},
  ): Promise<Answer> => {
    const token = init.token === undefined ? at.operatorToken : init.token;
    const isText = typeof init.body === 'string';
    const response = await fetch(at.operatorUrl + path, {
      method: init.method ?? 'GET',
      redirect: 'manual',
      headers: {
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...(init.body === undefined
          ? {}
          : { 'content-type': isText ? 'application/yaml' : 'application/json' }),
        ...init.headers,
      },
      ...(init.body === undefined
        ? {}
        : { body: isText ? (init.body as string) : JSON.stringify(init.body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: Object.fromEntries(response.headers),
      text,
      json: parse(text),
    };
  };

  const device = (path: string, call: DeviceCall = {}): Promise<Answer> =>
    callDeviceListener(at.deviceUrl + path, call);

  const makeToken = async (wish: Record<string, unknown>): Promise<string> =>
    String((await operator('/v1/enrollment-tokens', { method: 'POST', body: wish })).json['token']);

  const enrollWith = async (
    token: string,
    changes: Record<string, unknown> = {},
  ): Promise<{ answer: Answer; holder: Holder }> => {
    const { requestPem, privateKeyPem } = await createRequest('anything');
    const answer = await device('/v1/enroll', {
      method: 'POST',
      body: {
        version: 1,
        role: 'device',
        token,
        certificateRequest: requestPem,
        name: 'laptop',
        platform: 'linux',
        programVersion: '0.1.0',
        ...changes,
      },
    });
    const { id, certificate } = answer.json as unknown as EnrollmentResponse;
    return { answer, holder: { id, certificatePem: certificate, privateKeyPem } };
  };

  const enrollDevice = async (name = 'laptop'): Promise<Holder> => {
    const { answer, holder } = await enrollWith(await makeToken({ role: 'device' }), { name });
    if (answer.status !== 200) throw new Error(`not enrolled: ${answer.text}`);
    return holder;
  };

  const enrollEdge = async (name: string, port = 4433): Promise<Holder> => {
    const edge = { host: '127.0.0.1', port, location: 'Frankfurt' };
    const token = await makeToken({ role: 'edge' });
    const { answer, holder } = await enrollWith(token, { role: 'edge', name, edge });
    if (answer.status !== 200) throw new Error(`not enrolled: ${answer.text}`);
    return holder;
  };

  const postBatch = (as: Holder, records: unknown[], id = randomUUID()): Promise<Answer> =>
    device('/v1/ingest', {
      method: 'POST',
      as,
      raw: gzipSync(JSON.stringify({ version: 1, id, sentAt: Date.now(), records })),
      headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
    });

  return { operator, device, makeToken, enrollWith, enrollDevice, enrollEdge, postBatch };
};

/** Each call on a connection of its own, so that the certificate shown is the one of the call. */
const callDeviceListener = (url: string, call: DeviceCall): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const body = call.raw ?? (call.body === undefined ? undefined : JSON.stringify(call.body));
    const outgoing = httpsRequest(
      url,
      {
        method: call.method ?? 'GET',
        agent: false,
        servername: collectorServerName,
        // Whom to trust is the enrolment's subject and tested there.
        rejectUnauthorized: false,
        ...(call.as ? { cert: call.as.certificatePem, key: call.as.privateKeyPem } : {}),
        headers: {
          ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
          ...call.headers,
        },
      },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        answer.on('end', () =>
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers,
            text,
            json: parse(text),
          }),
        );
        answer.on('error', reject);
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });

const parse = (text: string): Record<string, unknown> => {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
};
