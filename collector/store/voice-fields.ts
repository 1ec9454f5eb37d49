import type { VoiceBody } from '#contract/body/voice.ts';
import type { OwnFields } from './result-fields.ts';

export const voiceFields = (body: VoiceBody): OwnFields<'voice'> => ({
  target: body.target,
  address: body.address,
  sent_count: body.sentCount,
  received_count: body.receivedCount,
  duplicate_count: body.duplicateCount,
  reordered_count: body.reorderedCount,
  longest_loss_count: body.longestLossCount,
  loss_ratio: body.lossRatio,
  up_loss_ratio: body.up?.lossRatio ?? null,
  down_loss_ratio: body.down?.lossRatio ?? null,
  late_ratio: body.lateRatio,
  rtt_min_ms: body.rttMinMs,
  rtt_median_ms: body.rttMedianMs,
  rtt_p95_ms: body.rttP95Ms,
  jitter_ms: body.jitterMs,
  up_jitter_ms: body.up?.jitterMs ?? null,
  down_jitter_ms: body.down?.jitterMs ?? null,
  playout_ms: body.playoutMs,
  send_late_p95_ms: body.sendLateP95Ms,
  rating: body.rating,
  mos: body.mos,
  up_mos: body.up?.mos ?? null,
  down_mos: body.down?.mos ?? null,
});
