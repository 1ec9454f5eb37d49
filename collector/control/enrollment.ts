import { randomUUID } from 'node:crypto';
import { eq } from 'drizzle-orm';
import { check } from '#contract/check.ts';
import {
  type EdgePlace,
  type EnrollmentRequest,
  type EnrollmentResponse,
  edgeServerName,
  identityUri,
  type RenewalRequest,
} from '#contract/enrollment.ts';
import { type Position, Slug } from '#contract/scalar.ts';
import {
  BadCertificateRequest,
  type Issued,
  issueFromRequest,
  type KeyedCertificate,
} from '#runtime/certificates.ts';
import { Problem } from '../http/problems.ts';
import { devices, edges } from '../state/schema.ts';
import type { Database } from '../state/state.ts';
import { writeAudit } from './audit.ts';
import { identityLifetimeMs } from './certificate-lifetimes.ts';
import { type EnrollmentTokens, type TokenRefusal, takeUse } from './enrollment-tokens.ts';
import type { Identity } from './fleet.ts';

/** Leaves room for the `edge-path-` before it in the id of the probe that measures the way there. */
const edgeIdMaxLength = 48;

const refusals: Record<TokenRefusal, string> = {
  unknown: 'the token is not one of this tenant’s: check that all of it was copied',
  expired: 'the token has expired: ask for a new one',
  'used-up': 'the token was used as often as it may be: ask for a new one',
  'wrong-role': 'the token is for another role: devices and edges have tokens of their own',
};

/** Exchanges a token for an identity, and an identity for its next certificate. */
export const createEnrollment = (parts: {
  db: Database;
  authority: KeyedCertificate;
  tokens: EnrollmentTokens;
  now: () => number;
}) => {
  const { db, authority, tokens, now } = parts;

  const respond = (identity: Identity, issued: Issued): EnrollmentResponse => ({
    version: 1,
    id: identity.id,
    certificate: issued.certificatePem,
    caCertificate: authority.certificatePem,
    notAfter: issued.notAfter,
  });

  return {
    async enroll(request: EnrollmentRequest): Promise<EnrollmentResponse> {
      // One time for all of it: the certificate is never older than the enrolment it belongs to.
      const at = now();
      const state = await tokens.inspect(request.token, request.role, at);
      if (state !== 'good') throw refused(state);
      const identity = { role: request.role, id: identityFor(request) };
      const issued = await issue(authority, identity, request.certificateRequest, at);
      await db.transaction(async (tx) => {
        // Last before the writes: of two that got this far with a one-use token, one stops here.
        if (!(await takeUse(tx, tokens.idOf(request.token), at))) throw refused('used-up');
        await writeIdentity(tx, identity, request, issued, at);
        const detail = { name: request.name, token: tokens.idOf(request.token) };
        const actor = `${identity.role}:${identity.id}`;
        const action = `${identity.role}.enrolled`;
        await writeAudit(tx, { actor, action, subject: identity.id, detail }, at);
      });
      return respond(identity, issued);
    },

    async renew(identity: Identity, request: RenewalRequest): Promise<EnrollmentResponse> {
      const issued = await issue(authority, identity, request.certificateRequest, now());
      const table = identity.role === 'device' ? devices : edges;
      await db
        .update(table)
        .set({
          programVersion: request.programVersion,
          certificateSerial: issued.serial,
          certificateNotAfter: issued.notAfter,
          ...(identity.role === 'edge' && request.edge ? placeOf(request.edge) : {}),
        })
        .where(eq(table.id, identity.id));
      return respond(identity, issued);
    },
  };
};

export type Enrollment = ReturnType<typeof createEnrollment>;

const refused = (why: TokenRefusal) => new Problem('enrollment-refused', { detail: refusals[why] });

const identityFor = (request: EnrollmentRequest): string => {
  if (request.role === 'device') return randomUUID();
  const errors = [];
  if (!check(Slug, request.name).ok || request.name.length > edgeIdMaxLength) {
    const message = `an edge’s name is its id: ${Slug.description}, here ${edgeIdMaxLength}`;
    errors.push({ pointer: '/name', message });
  }
  if (request.edge === undefined) {
    errors.push({ pointer: '/edge', message: 'an edge says where devices reach it' });
  }
  if (errors.length > 0) throw new Problem('invalid-fields', { errors });
  return request.name;
};

const issue = async (
  authority: KeyedCertificate,
  { role, id }: Identity,
  requestPem: string,
  now: number,
): Promise<Issued> => {
  try {
    return await issueFromRequest(authority, requestPem, {
      commonName: id,
      notAfter: Math.floor((now + identityLifetimeMs) / 1_000) * 1_000,
      uris: [identityUri(role, id)],
      ...(role === 'edge' ? { dnsNames: [edgeServerName(id)] } : {}),
      usages: role === 'edge' ? ['server', 'client'] : ['client'],
    });
  } catch (error) {
    if (!(error instanceof BadCertificateRequest)) throw error;
    throw new Problem('certificate-request-refused', {
      detail: 'not a PKCS#10 request for an ECDSA P-256 key, signed by it',
      errors: [
        {
          pointer: '/certificateRequest',
          message: 'expected a PEM PKCS#10 request for an ECDSA P-256 key',
        },
      ],
    });
  }
};

const placeOf = ({ host, port, location, reflectorPort = null, position = null }: PlaceGiven) => ({
  host,
  port,
  location,
  reflectorPort,
  position,
});
type PlaceGiven = Omit<EdgePlace, 'reflectorPort' | 'position'> & {
  reflectorPort?: number | null;
  position?: Position | null;
};

const writeIdentity = async (
  db: Pick<Database, 'insert'>,
  { role, id }: Identity,
  request: EnrollmentRequest,
  issued: Issued,
  now: number,
): Promise<void> => {
  const common = {
    programVersion: request.programVersion,
    certificateSerial: issued.serial,
    certificateNotAfter: issued.notAfter,
    enrolledAt: now,
    lastSeenAt: null,
    revokedAt: null,
  };
  if (role === 'device') {
    const { name, platform } = request;
    await db.insert(devices).values({ id, name, platform, ...common });
    return;
  }
  const place = placeOf(request.edge ?? { host: '', port: 0, location: '' });
  // The same edge, set up again (new machine, lost disk): its new certificate takes over.
  await db
    .insert(edges)
    .values({ id, ...place, ...common })
    .onConflictDoUpdate({ target: edges.id, set: { ...place, ...common } });
};
