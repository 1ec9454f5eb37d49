import { check, explain } from '#contract/check.ts';
import { Verdict } from '#contract/verdict.ts';

const deviceId = '7b0f6c7e-4e6a-4d0c-9a39-0a4a1f1d2c3b';

/** A verdict that is valid by the contract, `ok` unless told otherwise. */
export const verdictWith = (change: Partial<Verdict>): Verdict => {
  const checked = check(Verdict, {
    version: 1,
    deviceId,
    appId: 'crm',
    edgeId: 'e1',
    at: 1_800_000_000_000,
    state: 'ok',
    segment: null,
    addedMs: null,
    totalMs: 100,
    baselineMs: 100,
    baselineFrom: 'own-past',
    confidence: 0.9,
    score: 100,
    sentence: 'CRM is fine on a1.',
    action: 'Nothing to do.',
    evidence: [],
    ledger: null,
    resultCount: 30,
    ...change,
  });
  if (!checked.ok) throw new Error(explain(checked.mistakes));
  return checked.value;
};
