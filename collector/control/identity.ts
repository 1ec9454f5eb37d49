import type { PeerCertificate, TLSSocket } from 'node:tls';
import type { FastifyRequest } from 'fastify';
import { uriNames } from '#runtime/certificates.ts';
import { Problem } from '../http/problems.ts';
import { backdatedMs } from './certificate-lifetimes.ts';
import type { Fleet, Identity } from './fleet.ts';

const uriPattern = /^urn:whyslow:(device|edge):([a-z0-9._-]{1,64})$/;

/**
 * Lets in who shows a certificate of this tenant's CA that names a known device or edge which was
 * not revoked. `require` goes before the body is read; `of` is for the handlers behind it.
 */
export const createIdentityCheck = (parts: { fleet: Fleet; now: () => number }) => {
  const known = new WeakMap<FastifyRequest, Identity>();
  return {
    async require(request: FastifyRequest): Promise<void> {
      const certificate = shownCertificate(request);
      const identity = identityIn(certificate);
      await refuseUnlessCurrent(parts.fleet, identity, certificate, parts.now());
      await parts.fleet.seen(identity, parts.now());
      known.set(request, identity);
    },
    of(request: FastifyRequest): Identity {
      const identity = known.get(request);
      if (!identity) throw new Error('route without the identity check');
      return identity;
    },
  };
};

export type IdentityCheck = ReturnType<typeof createIdentityCheck>;

/** OpenSSL verified the chain and the client usage against the tenant CA, the only one it was given. */
const shownCertificate = (request: FastifyRequest): PeerCertificate => {
  const socket = request.raw.socket as TLSSocket;
  const certificate = socket.getPeerCertificate?.();
  if (!certificate || Object.keys(certificate).length === 0) {
    throw new Problem('certificate-required', { detail: 'no client certificate was sent' });
  }
  if (!socket.authorized) {
    const detail = `the client certificate was not accepted: ${socket.authorizationError}`;
    throw new Problem('certificate-required', { detail });
  }
  return certificate;
};

const identityIn = (certificate: PeerCertificate): Identity => {
  const [uri, ...more] = uriNames(certificate.subjectaltname);
  const [, role, id] = uriPattern.exec(uri ?? '') ?? [];
  if (role === undefined || id === undefined || more.length > 0) {
    throw new Problem('identity-refused', {
      detail: 'the certificate names no device and no edge',
    });
  }
  return { role: role as Identity['role'], id };
};

const refuseUnlessCurrent = async (
  fleet: Fleet,
  { role, id }: Identity,
  certificate: PeerCertificate,
  now: number,
): Promise<void> => {
  // A connection kept open may outlive the certificate it began with.
  if (Date.parse(certificate.valid_to) <= now) {
    throw new Problem('certificate-required', { detail: 'the client certificate has expired' });
  }
  const row = await (role === 'device' ? fleet.device(id) : fleet.edge(id));
  if (!row) throw new Problem('identity-refused', { detail: `${role} ${id} is not enrolled here` });
  if (row.revokedAt !== null) {
    throw new Problem('identity-refused', { detail: `${role} ${id} was revoked` });
  }
  // An edge enrolled again under its name: certificates of before are no longer its own. Dates in
  // certificates are whole seconds.
  const issuedAt = Date.parse(certificate.valid_from) + backdatedMs;
  if (issuedAt + 1_000 < row.enrolledAt) {
    const detail = `${role} ${id} was enrolled again since this certificate was issued`;
    throw new Problem('identity-refused', { detail });
  }
};
