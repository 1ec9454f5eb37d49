import type { VoiceBody } from '#contract/body/voice.ts';
import type { Outcome } from '#probes/probe.ts';
import { showFailure, showMs, showTable } from './lines.ts';

/** What a call would have been like: the score first, then what made it so. */
export const describeVoice = ({ body, failure }: Outcome<'voice'>): string =>
  [
    `stream to ${body.target}${body.port === null ? '' : `:${body.port}`}, ${body.packetsPerSecond} packets of ${body.packetBytes} bytes a second`,
    ...(body.mos === null ? [] : describeCall(body)),
    ...showFailure(failure),
  ].join('\n');

const describeCall = (body: VoiceBody): string[] => [
  `  opinion score ${showScore(body.mos)} of 4.5 (R ${body.rating?.toFixed(1)}), play-out after ${body.playoutMs} ms`,
  ...showTable(
    [
      ['  ', 'lost', 'late', 'jitter', 'score'],
      ...(['up', 'down'] as const).map((which) => [
        `  ${which}`,
        showRatio(body[which]?.lossRatio),
        showRatio(body[which]?.lateRatio),
        showMs(body[which]?.jitterMs ?? null),
        showScore(body[which]?.mos),
      ]),
    ],
    [1, 2, 3, 4],
  ),
  `  ${body.receivedCount} of ${body.sentCount} came back (${showRatio(body.lossRatio)} lost, at most ${body.longestLossCount} in a row), ${body.reorderedCount} out of order, ${body.duplicateCount} twice`,
  `  round trip  best ${showMs(body.rttMinMs)}, median ${showMs(body.rttMedianMs)}, 95 % within ${showMs(body.rttP95Ms)}`,
  `  sent up to ${showMs(body.sendLateP95Ms)} late by this machine (95 %)`,
];

const showScore = (score: number | null | undefined): string => score?.toFixed(2) ?? '–';

const showRatio = (ratio: number | null | undefined): string =>
  ratio === null || ratio === undefined ? '–' : `${(ratio * 100).toFixed(ratio === 0 ? 0 : 1)} %`;
