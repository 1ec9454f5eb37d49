import { createHmac } from 'node:crypto';
import type { TelemetryRecord } from '#contract/telemetry.ts';

/**
 * Gives sites the names they have from here on. Every device has the key that makes a site's id of its
 * gateway's hardware address, so with an id from a page whoever has a device could try all addresses
 * of common makers. The names are made with a secret that only collectors have (a key of its own, from
 * the authority's), so that nothing about them can be tried elsewhere. With another authority all have
 * other names, and are the same sites to each other.
 */
export const createSiteNames = (authorityKeyPem: string) => {
  const secret = createHmac('sha256', authorityKeyPem).update('whyslow: site names 1').digest();
  const nameOf = (siteId: string): string =>
    createHmac('sha256', secret).update(siteId).digest('base64url').slice(0, 22);

  return (record: TelemetryRecord): TelemetryRecord => {
    if (record.kind !== 'device' || record.gateway?.siteId === undefined) return record;
    return { ...record, gateway: { ...record.gateway, siteId: nameOf(record.gateway.siteId) } };
  };
};

export type NameSite = ReturnType<typeof createSiteNames>;
