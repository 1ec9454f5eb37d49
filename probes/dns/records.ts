import type { Answer, CaaData, DecodedPacket, MxData, SoaData, SrvData, TxtData } from 'dns-packet';
import { type DnsRecordType, wireType } from './message.ts';
import { showSvcb } from './svcb.ts';

/** The records of the type that was asked for, as a zone file has them. */
export const showAnswers = (packet: DecodedPacket, type: DnsRecordType): string[] =>
  (packet.answers ?? [])
    .filter((answer) => answer.type === wireType(type))
    .map((answer) => showRecord(type, 'data' in answer ? answer.data : undefined));

/** Aliases on the way are part of the answer: the one that expires first decides. */
export const lowestTtl = (packet: DecodedPacket): number | null => {
  const all = (packet.answers ?? []).map((answer) => ('ttl' in answer ? answer.ttl : undefined));
  const known = all.filter((ttl) => ttl !== undefined);
  return known.length === 0 ? null : Math.min(...known);
};

const showRecord = (type: DnsRecordType, data: unknown): string => {
  switch (type) {
    case 'A':
    case 'AAAA':
    case 'CNAME':
    case 'NS':
    case 'PTR':
      return String(data);
    case 'TXT':
      return showTxt(data as TxtData);
    case 'MX': {
      const { preference = 0, exchange } = data as MxData;
      return `${preference} ${exchange}`;
    }
    case 'SRV': {
      const { priority = 0, weight = 0, port, target } = data as SrvData;
      return `${priority} ${weight} ${port} ${target}`;
    }
    case 'CAA': {
      const { flags = 0, tag, value } = data as CaaData;
      return `${flags} ${tag} "${value}"`;
    }
    case 'SOA': {
      const { mname, rname, serial, refresh, retry, expire, minimum } = data as SoaData;
      return [mname, rname, serial, refresh, retry, expire, minimum].join(' ');
    }
    case 'HTTPS':
    case 'SVCB':
      return showSvcb(data as Buffer) ?? showUnknown(data as Buffer);
  }
};

/** One record may be several strings, which are read as one (RFC 7208 section 3.3). */
const showTxt = (data: TxtData): string =>
  [data]
    .flat()
    .map((part) => part.toString())
    .join('');

/** RFC 3597 section 5. */
const showUnknown = (data: Buffer): string => `\\# ${data.length} ${data.toString('hex')}`;

/** The extended code, whose upper bits are EDNS's (RFC 6891 section 6.1.3). */
export const rcodeOf = (packet: DecodedPacket): string => {
  const edns = (packet.additionals ?? []).find((one: Answer) => one.type === 'OPT');
  const upper = edns !== undefined && 'extendedRcode' in edns ? edns.extendedRcode : 0;
  if (upper === 0) return (packet as DecodedPacket & { rcode: string }).rcode;
  const code = upper * 16 + ((packet.flags ?? 0) & 0x0f);
  return code === 16 ? 'BADVERS' : `RCODE_${code}`;
};
