import { X509Certificate } from 'node:crypto';
import type { Metrics } from './metrics.ts';

/** When the tenant's CA and this collector's own certificate end; the latter is renewed daily. */
export const watchCertificates = ({ registry }: Metrics, pem: { ca: string; listener: string }) => {
  const ends = { ca: endOf(pem.ca), listener: endOf(pem.listener) };
  registry.gaugeOf(
    {
      name: 'certificate_expiry_timestamp_seconds',
      help: 'End of a certificate, in seconds since 1970.',
      labels: ['certificate'],
    },
    () => Object.entries(ends).map(([certificate, value]) => ({ labels: { certificate }, value })),
  );
  return {
    listenerRenewed(certificatePem: string): void {
      ends.listener = endOf(certificatePem);
    },
  };
};

const endOf = (pem: string): number => Date.parse(new X509Certificate(pem).validTo) / 1_000;
