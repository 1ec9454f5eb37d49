import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Static, Type } from '@sinclair/typebox';
import { check, checkOpen, explain } from '#contract/check.ts';
import {
  EdgePlace,
  EnrollmentResponse,
  identityUri,
  type RenewalRequest,
} from '#contract/enrollment.ts';
import { backoffMs, sleep } from './backoff.ts';
import { certificateFingerprint, createRequest, uriNames } from './certificates.ts';
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
import { makePrivateFolder, writeDurably } from './durable-file.ts';
import { CollectorUnavailable, enroll, readFingerprint } from './enroll.ts';
import type { Log } from './log.ts';

/** Who this program is towards the collector and the other end of the tunnel. */
export type Identity = {
  role: 'device' | 'edge';
  id: string;
  certificatePem: string;
  privateKeyPem: string;
  caCertificatePem: string;
  notAfter: number;
};

export type IdentityHolder = {
  /** Always the newest: ask each time, a renewal replaces it. */
  current(): Identity;
  /** Called after a renewal. Returns how to stop listening. */
  onChange(listener: (identity: Identity) => void): () => void;
  stop(): Promise<void>;
};

export type IdentityOptions = {
  folder: string;
  collectorUrl: string;
  token: string | undefined;
  /** Where a token lies that is not given; not needed once enrolled. */
  tokenFile?: string | undefined;
  /** The token is for a new identity, also where one is kept that could be used. */
  anew?: boolean;
  role: 'device' | 'edge';
  name: string;
  platform: string;
  programVersion: string;
  edge?: EdgePlace;
  /** Left out: Node's own way. */
  dial?: Dial;
  log: Log;
  /** Gives up waiting for a collector that cannot be reached. */
  signal?: AbortSignal;
};

/** One file, so that key and certificate cannot come from two different moments. */
const Kept = Type.Object({
  role: Type.Union([Type.Literal('device'), Type.Literal('edge')]),
  id: Type.String(),
  certificatePem: Type.String(),
  privateKeyPem: Type.String(),
  caCertificatePem: Type.String(),
  issuedAt: Type.Number(),
  /** Where devices reach this edge, as the collector was told last. */
  edge: Type.Optional(EdgePlace),
  notAfter: Type.Number(),
});
type Kept = Static<typeof Kept>;

/**
 * The identity kept in `folder`, or a new one by token. Waits for a collector that cannot be
 * reached; throws ConfigError when a person must act.
 */
export const loadOrEnroll = async (given: IdentityOptions): Promise<IdentityHolder> => {
  if (!given.collectorUrl.startsWith('https://')) {
    throw new ConfigError(
      `collectorUrl must be the https:// address of the device listener, not ${given.collectorUrl}`,
    );
  }
  const options = { ...given, token: given.token ?? (await readTokenFile(given.tokenFile)) };
  await makePrivateFolder(options.folder);
  const file = join(options.folder, 'identity.json');
  const kept = await readKept(file);
  const usable = kept !== undefined && options.anew !== true && isUsable(kept, options);
  const first = usable ? kept : await enrollPatiently(options);
  if (!usable) await writeDurably(file, JSON.stringify(first));
  return holdIdentity(first, file, options);
};

/** No token where the file is missing or empty: an identity that is kept does without. */
const readTokenFile = async (path: string | undefined): Promise<string | undefined> => {
  if (path === undefined) return undefined;
  try {
    return (await readFile(path, 'utf8')).trim() || undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new ConfigError(`enrollmentTokenFile: cannot read ${path}: ${(error as Error).message}`);
  }
};

/** What a person does who is told that a token is needed. */
const howToGiveToken = ({ tokenFile }: IdentityOptions): string =>
  tokenFile === undefined
    ? 'make a token on the collector with `whyslow token` and give it as enrollmentToken (or WHYSLOW_ENROLLMENT_TOKEN)'
    : `enrollmentTokenFile ${tokenFile} is missing or empty: make a token on the collector with \`whyslow token\` and put it there`;

const readKept = async (file: string): Promise<Kept | undefined> => {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new ConfigError(`cannot read ${file}: ${(error as Error).message}`);
  }
  const checked = check(Kept, parseJson(text));
  if (checked.ok) return checked.value;
  throw new ConfigError(
    `${file} is damaged; remove it and enrol again with a new token:\n${explain(checked.mistakes)}`,
  );
};

const isUsable = (kept: Kept, options: IdentityOptions): boolean => {
  const { token, log } = options;
  if (kept.role !== options.role) {
    throw new ConfigError(
      `the state folder ${options.folder} belongs to ${kept.role} ${kept.id}: give this ${options.role} a folder of its own`,
    );
  }
  if (
    token !== undefined &&
    readFingerprint(token) !== certificateFingerprint(kept.caCertificatePem)
  ) {
    log.warn(
      { component: 'identity', id: kept.id },
      'the token is from another collector than the kept identity; enrolling anew',
    );
    return false;
  }
  if (kept.notAfter > Date.now()) return true;
  if (token === undefined) {
    throw new ConfigError(
      `the certificate of ${kept.role} ${kept.id} expired on ${new Date(kept.notAfter).toISOString()}, too late to renew it: ${howToGiveToken(options)}; if the date looks wrong, check this machine's clock`,
    );
  }
  log.warn({ component: 'identity', id: kept.id }, 'certificate expired; enrolling anew');
  return false;
};

const enrollPatiently = async (options: IdentityOptions): Promise<Kept> => {
  const { token, signal, log } = options;
  if (token === undefined) {
    throw new ConfigError(`not enrolled yet: ${howToGiveToken(options)}`);
  }
  for (let attempt = 1; ; attempt += 1) {
    try {
      const { response, privateKeyPem } = await enroll({ ...options, token });
      const made = keep(options.role, response, response.caCertificate, privateKeyPem);
      const kept = withPlace(made, options);
      log.info({ component: 'identity', id: kept.id, notAfter: kept.notAfter }, 'enrolled');
      return kept;
    } catch (error) {
      if (!(error instanceof CollectorUnavailable)) throw error;
      if (signal?.aborted) throw error;
      const waitMs = backoffMs(attempt, { firstMs: 500, capMs: 60_000 });
      log.warn(
        { component: 'identity', reason: error.message, waitMs },
        'collector not reachable for enrolment; trying again',
      );
      await sleep(waitMs, signal);
    }
  }
};

/** Takes a certificate only if it is ours, for our key, and from the CA we trust. */
const keep = (
  role: 'device' | 'edge',
  response: EnrollmentResponse,
  caCertificatePem: string,
  privateKeyPem: string,
): Kept => {
  const certificate = new X509Certificate(response.certificate);
  const authority = new X509Certificate(caCertificatePem);
  if (!certificate.checkIssued(authority) || !certificate.verify(authority.publicKey)) {
    throw new ConfigError('the collector sent a certificate that its own CA did not sign');
  }
  if (!uriNames(certificate.subjectAltName).includes(identityUri(role, response.id))) {
    throw new ConfigError(
      `the collector sent a certificate that is not for ${role} ${response.id}`,
    );
  }
  return {
    role,
    id: response.id,
    certificatePem: response.certificate,
    privateKeyPem,
    caCertificatePem,
    issuedAt: Date.now(),
    notAfter: Date.parse(certificate.validTo),
  };
};

const withPlace = (kept: Kept, { edge }: IdentityOptions): Kept =>
  edge === undefined ? kept : { ...kept, edge };

/** Identities kept before places were have the place of their enrolment, without a reflector. */
const isPlaceTold = (kept: Kept, { edge }: IdentityOptions): boolean => {
  if (edge === undefined) return true;
  const told = kept.edge;
  if (told === undefined) return edge.reflectorPort === undefined;
  return (['host', 'port', 'location', 'reflectorPort'] as const).every(
    (key) => told[key] === edge[key],
  );
};

/** When to renew: two thirds into the life, up to a twentieth of it earlier so a fleet spreads out. */
export const renewalTime = (
  life: { issuedAt: number; notAfter: number },
  random: () => number = Math.random,
): number => {
  const lifeMs = life.notAfter - life.issuedAt;
  return life.issuedAt + (lifeMs * 2) / 3 - random() * (lifeMs / 20);
};

const holdIdentity = (first: Kept, file: string, options: IdentityOptions): IdentityHolder => {
  const { log } = options;
  let kept = first;
  const listeners = new Set<(identity: Identity) => void>();
  const stopping = new AbortController();

  const renewForEver = async () => {
    let failures = 0;
    // An edge that moved says so at once.
    let dueAt = isPlaceTold(kept, options) ? renewalTime(kept) : Date.now();
    while (!stopping.signal.aborted) {
      // Timers stand still while a laptop sleeps and overflow above 24 days: look at least hourly.
      const waitMs = Math.min(3_600_000, Math.max(250, dueAt - Date.now()));
      await sleep(waitMs, stopping.signal);
      if (stopping.signal.aborted || Date.now() < dueAt) continue;
      try {
        const renewed = await renew(kept, options, stopping.signal);
        await writeDurably(file, JSON.stringify(renewed));
        kept = renewed;
        failures = 0;
        dueAt = renewalTime(kept);
        log.info({ component: 'identity', notAfter: kept.notAfter }, 'certificate renewed');
        for (const listener of listeners) listener(kept);
      } catch (error) {
        if (stopping.signal.aborted) return;
        failures += 1;
        dueAt = Date.now() + backoffMs(failures, { firstMs: 1_000, capMs: 600_000 });
        const fields = { component: 'identity', reason: (error as Error).message };
        if (kept.notAfter > Date.now()) log.warn(fields, 'renewal failed; trying again');
        else log.error(fields, 'certificate expired and not renewed: enrol again with a new token');
      }
    }
  };
  const ended = renewForEver();

  return {
    current: () => kept,
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    stop: async () => {
      stopping.abort();
      await ended;
    },
  };
};

/** A new certificate for a new key, asked for with the old one. */
const renew = async (kept: Kept, options: IdentityOptions, signal: AbortSignal): Promise<Kept> => {
  const { requestPem, privateKeyPem } = await createRequest(options.name);
  const body: RenewalRequest = {
    version: 1,
    certificateRequest: requestPem,
    programVersion: options.programVersion,
    ...(isPlaceTold(kept, options) ? {} : { edge: options.edge }),
  };
  const agent = createCollectorAgent(kept, options.dial);
  try {
    const answer = await requestCollector({
      url: collectorEndpoint(options.collectorUrl, 'v1/renew'),
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify(body)),
      agent,
      signal,
    });
    if (answer.status !== 200) {
      throw new Error(describeProblem(answer.status, readProblem(answer.text)));
    }
    const response = checkOpen(EnrollmentResponse, parseJson(answer.text));
    if (!response.ok) throw new Error(`answer not understood: ${explain(response.mistakes)}`);
    if (response.value.id !== kept.id)
      throw new Error(`renewed for another id, ${response.value.id}`);
    const made = keep(kept.role, response.value, kept.caCertificatePem, privateKeyPem);
    return withPlace(made, options);
  } finally {
    agent.destroy();
  }
};
