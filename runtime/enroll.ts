import type { Agent } from 'node:https';
import { check, checkOpen, explain } from '#contract/check.ts';
import { EnrollmentRequest, EnrollmentResponse, tokenPattern } from '#contract/enrollment.ts';
import { certificateFingerprint, createRequest } from './certificates.ts';
import {
  collectorEndpoint,
  createCollectorAgent,
  type Dial,
  describeProblem,
  parseJson,
  readProblem,
  requestCollector,
} from './collector-request.ts';
import { ConfigError } from './config.ts';

export type EnrollOptions = {
  collectorUrl: string;
  token: string;
  role: 'device' | 'edge';
  name: string;
  platform: string;
  programVersion: string;
  edge?: { host: string; port: number; location: string };
  /** Left out: Node's own way. */
  dial?: Dial;
  signal?: AbortSignal | undefined;
};

export type Enrolled = { response: EnrollmentResponse; privateKeyPem: string };

/** The collector could not be reached, or not now: trying again later can help. */
export class CollectorUnavailable extends Error {
  override name = 'CollectorUnavailable';
}

/**
 * First contact. The collector's CA is fetched without trusting anybody, compared with the
 * fingerprint in the token, and from then on it alone is trusted; only then does the token leave
 * the device. Throws ConfigError where a person must act, CollectorUnavailable where waiting helps.
 */
export const enroll = async (options: EnrollOptions): Promise<Enrolled> => {
  const fingerprint = readFingerprint(options.token);
  const caCertificatePem = await fetchAuthority(options, fingerprint);
  const { requestPem, privateKeyPem } = await createRequest(options.name);
  const body: EnrollmentRequest = {
    version: 1,
    role: options.role,
    token: options.token,
    certificateRequest: requestPem,
    name: options.name,
    platform: options.platform,
    programVersion: options.programVersion,
    ...(options.edge === undefined ? {} : { edge: options.edge }),
  };
  const sane = check(EnrollmentRequest, body);
  if (!sane.ok) throw new ConfigError(`cannot enrol with this config:\n${explain(sane.mistakes)}`);
  const answer = await withAgent(
    createCollectorAgent({ caCertificatePem }, options.dial),
    (agent) =>
      requestCollector({
        url: collectorEndpoint(options.collectorUrl, 'v1/enroll'),
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: Buffer.from(JSON.stringify(body)),
        agent,
        signal: options.signal,
      }),
  );
  if (answer.status !== 200 && answer.status !== 201) throw refusal(answer.status, answer.text);
  const response = checkOpen(EnrollmentResponse, parseJson(answer.text));
  if (!response.ok) {
    throw new ConfigError(
      `the collector's answer to the enrolment is not understood; is it the same version?\n${explain(response.mistakes)}`,
    );
  }
  return { response: { ...response.value, caCertificate: caCertificatePem }, privateKeyPem };
};

/** The part of the token that says whom to trust. */
export const readFingerprint = (token: string): string => {
  if (!new RegExp(tokenPattern).test(token)) {
    throw new ConfigError(
      'the enrolment token is malformed: it is one word, wse1.… with four parts; copy it again from `whyslow token`',
    );
  }
  return token.slice(token.lastIndexOf('.') + 1);
};

const fetchAuthority = async (options: EnrollOptions, fingerprint: string): Promise<string> => {
  const answer = await withAgent(
    createCollectorAgent({ caCertificatePem: undefined }, options.dial),
    (agent) =>
      requestCollector({
        url: collectorEndpoint(options.collectorUrl, 'v1/ca'),
        method: 'GET',
        agent,
        signal: options.signal,
      }),
  );
  if (answer.status !== 200) {
    throw new CollectorUnavailable(
      `${options.collectorUrl} answered ${answer.status} when asked for its CA`,
    );
  }
  if (fingerprintOf(answer.text) !== fingerprint) {
    throw new ConfigError(
      `the collector at ${options.collectorUrl} is not the one this token was made by (CA fingerprint differs): check collectorUrl, make a new token on that collector, and if both are right suspect something between that intercepts TLS`,
    );
  }
  return answer.text;
};

const fingerprintOf = (pem: string): string | undefined => {
  try {
    return certificateFingerprint(pem);
  } catch {
    return undefined;
  }
};

const refusal = (status: number, text: string): Error => {
  const said = describeProblem(status, readProblem(text));
  if (status === 429 || status >= 500) return new CollectorUnavailable(said);
  const advice =
    status === 401 || status === 403 || status === 410
      ? 'the token is unknown, expired, used up or for another role: make a new one with `whyslow token`'
      : 'check name, role and, for an edge, its address';
  return new ConfigError(`the collector refused the enrolment (${said}): ${advice}`);
};

const withAgent = async <T>(agent: Agent, use: (agent: Agent) => Promise<T>): Promise<T> => {
  try {
    return await use(agent);
  } catch (error) {
    if (error instanceof ConfigError || error instanceof CollectorUnavailable) throw error;
    throw new CollectorUnavailable((error as Error).message);
  } finally {
    agent.destroy();
  }
};
