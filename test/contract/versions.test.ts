import { describe, expect, test } from 'vitest';
import { check, checkOpen } from '#contract/check.ts';
import { EnrollmentResponse } from '#contract/enrollment.ts';
import { Acknowledgement, Batch, records } from '#contract/telemetry.ts';
import { sampleRecords } from '#test/collector/store/sample-records.ts';

/** As a later version of the contract might send it: a field more in every object, however deep. */
const later = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(later);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, each]) => [key, later(each)]);
  return { ...Object.fromEntries(entries), addedLater: { anything: [1, 'two', null] } };
};

describe('what a later version sends', () => {
  test.each(Object.entries(sampleRecords))(
    'a record of %s with fields more is read, a wrong field is not',
    (_name, record) => {
      const { kind, type } = record as { kind: string; type?: string };
      const schema = records[(kind === 'result' ? type : kind) as keyof typeof records];
      expect(check(schema, record).ok).toBe(true);
      expect(check(schema, later(record)).ok).toBe(false);
      expect(checkOpen(schema, later(record))).toMatchObject({ ok: true });
      const { id: _, ...without } = later(record) as { id?: string };
      expect(checkOpen(schema, without)).toMatchObject({
        ok: false,
        mistakes: [{ pointer: '/id' }],
      });
    },
  );

  test('envelopes, acknowledgements and identities with fields more are read', () => {
    const id = '3f1f6c9e-7b51-4f52-9e2a-111111111111';
    const at = 1_795_477_525_746;
    const acknowledgement = { id, acceptedCount: 1, duplicate: false, receivedAt: at };
    expect(checkOpen(Acknowledgement, later(acknowledgement)).ok).toBe(true);
    expect(checkOpen(Batch, later({ version: 1, id, sentAt: at, records: [{}] })).ok).toBe(true);
    const identity = { version: 1, id, certificate: 'a', caCertificate: 'b', notAfter: at };
    expect(checkOpen(EnrollmentResponse, later(identity)).ok).toBe(true);
    // What may not be ignored comes as another version, and is refused by name.
    expect(checkOpen(EnrollmentResponse, { ...identity, version: 2 })).toMatchObject({
      ok: false,
      mistakes: [{ pointer: '/version' }],
    });
  });
});
