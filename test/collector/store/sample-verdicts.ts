import type { Verdict } from '#contract/verdict.ts';
import { at, deviceId } from './sample-ids.ts';

const verdict: Verdict = {
  version: 1,
  deviceId,
  appId: 'crm',
  edgeId: 'fra-1',
  at,
  state: 'slow',
  segment: 'server',
  addedMs: 180,
  totalMs: 382.25,
  baselineMs: 200,
  baselineFrom: 'own-past',
  confidence: 0.9,
  score: 42,
  sentence: 'The application’s server adds 180 ms.',
  action: 'Ask the application owner.',
  evidence: [],
  ledger: {
    totalMs: 382.25,
    baselineTotalMs: 200,
    residualMs: 0.25,
    parts: [
      { segment: 'tls', ms: 41, baselineMs: 40, addedMs: 1, how: 'TLS handshake' },
      { segment: 'server', ms: 300, baselineMs: 120, addedMs: 180, how: 'wait minus round trips' },
      { segment: 'dns', ms: null, baselineMs: null, addedMs: null, how: 'not measured' },
    ],
  },
  resultCount: 12,
};

export const sampleVerdicts: Record<string, Verdict> = {
  slow: verdict,
  'not enough evidence': {
    ...verdict,
    edgeId: null,
    state: 'inconclusive',
    segment: null,
    addedMs: null,
    totalMs: null,
    baselineMs: null,
    baselineFrom: 'none',
    confidence: 0,
    score: null,
    sentence: 'Not enough evidence yet.',
    ledger: null,
    resultCount: 1,
  },
};
