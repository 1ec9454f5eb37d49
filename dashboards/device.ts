import { DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { segments } from '#contract/verdict.ts';
import {
  dashboardLink,
  scoreSteps,
  stat,
  steps,
  table,
  timeseries,
  triageLink,
  triagePage,
  triageVariable,
  variable,
} from './panels.ts';
import { labelValues, overTime, rows, tagValues } from './queries.ts';
import { uids } from './uids.ts';

/** One device: its applications, its network, its tunnel, its own health. */
export const deviceDashboard = () =>
  new DashboardBuilder('whyslow – device')
    .uid(uids.device)
    .description(
      'One device: the ledger over time, the path, the tunnel, and the device’s own health.',
    )
    .tags(['whyslow'])
    .timezone('browser')
    .time({ from: 'now-3h', to: 'now' })
    .refresh('30s')
    .link(dashboardLink('Application', uids.application))
    .link(dashboardLink('Edges', uids.edges))
    .link(triageLink(`/devices/\${device}`))
    .withVariable(variable('device', 'Device', tagValues('device', 'device'), false))
    .withVariable(
      variable('app', 'Application', labelValues('http', 'app', { device: '$device' }), true),
    )
    .withVariable(triageVariable())
    .withPanel(
      stat({
        title: 'Lowest score',
        description:
          'The device’s score is that of its worst application: 0–33 poor, 34–65 okay, 66–100 good.',
        unit: 'none',
        thresholds: scoreSteps,
        queries: [
          overTime({
            from: 'verdict',
            columns: [{ field: 'score', how: 'min', as: 'score' }],
            where: { device: '$device', app: '$app' },
          }),
        ],
      }),
    )
    .withPanel(
      stat({
        title: 'Tunnel RTT',
        description:
          'Round trip to the edge on the tunnel’s control session, which carries nothing else.',
        unit: 'ms',
        thresholds: steps(50, 150),
        queries: [
          overTime({
            from: 'tunnel',
            columns: [{ field: 'control_rtt_ms', how: 'median', as: 'rtt' }],
            where: { device: '$device' },
          }),
        ],
      }),
    )
    .withPanel(
      stat({
        title: 'Queueing in the tunnel',
        description:
          'Round trip inside a data session minus the control session’s: what bulk traffic makes others wait.',
        unit: 'ms',
        thresholds: steps(20, 100),
        queries: [
          overTime({
            from: 'tunnel',
            columns: [{ field: 'queue_ms', how: 'median', as: 'queue' }],
            where: { device: '$device' },
          }),
        ],
      }),
    )
    .withPanel(
      stat({
        title: 'Processor',
        description: 'Share of the device’s processors in use.',
        unit: 'percentunit',
        thresholds: steps(0.8, 0.95),
        queries: [
          overTime({
            from: 'device',
            columns: [{ field: 'cpu_ratio', how: 'mean', as: 'cpu' }],
            where: { device: '$device' },
          }),
        ],
      }),
    )
    .withPanel(
      stat({
        title: 'Memory',
        description: 'Share of the device’s memory in use.',
        unit: 'percentunit',
        thresholds: steps(0.85, 0.95),
        queries: [
          overTime({
            from: 'device',
            columns: [{ field: 'memory_used_ratio', how: 'mean', as: 'memory' }],
            where: { device: '$device' },
          }),
        ],
      }),
    )
    .withPanel(
      stat({
        title: 'Agent lag',
        description:
          'How late the agent’s own timers fire: a busy device makes everything look slow, and this shows it.',
        unit: 'ms',
        thresholds: steps(10, 50),
        queries: [
          overTime({
            from: 'device',
            columns: [{ field: 'loop_delay_ms', how: 'mean', as: 'lag' }],
            where: { device: '$device' },
          }),
        ],
      }),
    )
    .withPanel(
      timeseries({
        title: 'Where the time goes',
        description:
          'The ledger of the verdicts, segment by segment, mean over the applications chosen.',
        unit: 'ms',
        stacked: true,
        alias: '$col',
        queries: segments.map((segment) =>
          overTime({
            from: 'leg',
            columns: [{ field: 'ms', how: 'mean', as: segment }],
            only: { segment },
            where: { device: '$device', app: '$app' },
          }),
        ),
      }),
    )
    .withPanel(
      timeseries({
        title: 'Answer time by application',
        description: 'HTTP runs through the tunnel, one by one: the newest 10,000.',
        unit: 'ms',
        splitBy: 'app',
        queries: [
          rows({
            from: 'http',
            fields: ['duration_ms', 'app'],
            only: { via: 'tunnel' },
            where: { device: '$device', app: '$app' },
            limit: 10_000,
          }),
        ],
        links: [
          {
            title: 'Application dashboard',
            url: `/d/${uids.application}?\${__url_time_range}&var-app=\${__field.labels.app}`,
          },
          triagePage(`/devices/\${device}/applications/\${__field.labels.app}`),
        ],
      }),
    )
    .withPanel(
      timeseries({
        title: 'Tunnel',
        description:
          'Control session (the network), data session (network and queueing), and the underlay beside the tunnel.',
        unit: 'ms',
        alias: '$col',
        queries: [
          overTime({
            from: 'tunnel',
            where: { device: '$device' },
            columns: [
              { field: 'control_rtt_ms', how: 'median', as: 'control' },
              { field: 'data_rtt_ms', how: 'median', as: 'data' },
              { field: 'underlay_rtt_ms', how: 'median', as: 'underlay' },
            ],
          }),
        ],
      }),
    )
    .withPanel(
      timeseries({
        title: 'Device load',
        description: 'Processor and memory in use, and the agent’s own share of a processor.',
        unit: 'percentunit',
        alias: '$col',
        queries: [
          overTime({
            from: 'device',
            where: { device: '$device' },
            columns: [
              { field: 'cpu_ratio', how: 'mean', as: 'processor' },
              { field: 'memory_used_ratio', how: 'mean', as: 'memory' },
              { field: 'agent_cpu_ratio', how: 'mean', as: 'agent' },
            ],
          }),
        ],
      }),
    )
    .withPanel(
      timeseries({
        title: 'Path: round trip to the end',
        description:
          'Median round trip of the target’s own answers in each run, by probe; hops that answer late are not counted.',
        unit: 'ms',
        splitBy: 'probe',
        queries: [
          rows({
            from: 'path',
            fields: ['rtt_median_ms', 'probe'],
            where: { device: '$device' },
            limit: 10_000,
          }),
        ],
      }),
    )
    .withPanel(
      timeseries({
        title: 'Path: loss to the end',
        description: 'Unanswered share, end to end. A silent or rate-limited hop is not loss.',
        unit: 'percentunit',
        thresholds: steps(0.01, 0.05),
        splitBy: 'probe',
        queries: [
          rows({
            from: 'path',
            fields: ['loss_ratio', 'probe'],
            where: { device: '$device' },
            limit: 10_000,
          }),
        ],
      }),
    )
    .withPanel(
      table({
        title: 'Verdicts',
        description: 'What was said of this device’s applications, newest first.',
        unit: 'none',
        withTime: true,
        columns: {
          app: { links: [triagePage(`/devices/\${device}/applications/\${__value.text}`)] },
          state: {},
          segment: {},
          added_ms: { unit: 'ms' },
          confidence: { unit: 'percentunit' },
          score: {},
          sentence: {},
        },
        queries: [
          rows({
            from: 'verdict',
            fields: ['app', 'state', 'segment', 'added_ms', 'confidence', 'score', 'sentence'],
            where: { device: '$device', app: '$app' },
            limit: 100,
          }),
        ],
      }),
    )
    .withPanel(
      table({
        title: 'Runs by outcome',
        description: 'The newest 10,000 HTTP runs by failure type; an empty type is success.',
        unit: 'short',
        width: 12,
        withTime: false,
        columns: { app: {}, failure_type: {}, runs: {} },
        countBy: { by: ['app', 'failure_type'], of: 'ok', as: 'runs' },
        queries: [
          rows({
            from: 'http',
            fields: ['app', 'failure_type', 'ok'],
            where: { device: '$device', app: '$app' },
            limit: 10_000,
          }),
        ],
      }),
    )
    .withPanel(
      table({
        title: 'Changes',
        description: 'Edge chosen, tunnel up or down, policy applied – with the reason.',
        unit: 'none',
        width: 12,
        withTime: true,
        columns: { name: {}, reason: {} },
        queries: [
          rows({
            from: 'event',
            fields: ['name', 'reason'],
            where: { source_id: '$device' },
            limit: 50,
          }),
        ],
      }),
    );
