import { DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import {
  dashboardLink,
  scoreSteps,
  shareSteps,
  stat,
  steps,
  table,
  timeseries,
  triageLink,
  triagePage,
  triageVariable,
  variable,
} from './panels.ts';
import { countOf, overRange, overTime, rows, tagValues } from './queries.ts';
import { uids } from './uids.ts';

/** One application: who is affected, and in which phase the time goes. */
export const applicationDashboard = () =>
  new DashboardBuilder('whyslow – application')
    .uid(uids.application)
    .description(
      'One application: score, availability, phases of an answer, page vitals, and the way behind each edge.',
    )
    .tags(['whyslow'])
    .timezone('browser')
    .time({ from: 'now-3h', to: 'now' })
    .refresh('30s')
    .link(dashboardLink('Device', uids.device))
    .link(dashboardLink('Edges', uids.edges))
    .link(triageLink('/'))
    .withVariable(variable('app', 'Application', tagValues('http', 'app'), false))
    .withVariable(variable('device', 'Device', tagValues('http', 'device', { app: '$app' }), true))
    .withVariable(triageVariable())
    .withPanel(
      stat({
        title: 'Lowest score',
        description: 'The worst device’s score of the moment: 0–33 poor, 34–65 okay, 66–100 good.',
        unit: 'none',
        thresholds: scoreSteps,
        queries: [
          overTime({
            from: 'verdict',
            columns: [{ field: 'score', how: 'min', as: 'score' }],
            where: { app: '$app', device: '$device' },
          }),
        ],
      }),
    )
    .withPanel(
      stat({
        title: 'Availability',
        description: 'Share of HTTP runs that met their success condition.',
        unit: 'percentunit',
        thresholds: shareSteps,
        queries: [
          overRange({
            from: 'http',
            columns: [{ field: 'ok', how: 'mean', as: 'availability' }],
            where: { app: '$app', device: '$device' },
          }),
        ],
      }),
    )
    .withPanel(
      stat({
        title: 'Answer time',
        description: 'Median of the last exchange of each HTTP run, all phases.',
        unit: 'ms',
        thresholds: steps(500, 1000),
        queries: [
          overRange({
            from: 'http',
            columns: [{ field: 'duration_ms', how: 'median', as: 'answer' }],
            where: { app: '$app', device: '$device' },
          }),
        ],
      }),
    )
    .withPanel(
      stat({
        title: 'Largest contentful paint',
        description:
          'Median over page loads: when the largest element was drawn. Good is 2,500 ms or less (web.dev).',
        unit: 'ms',
        thresholds: steps(2500, 4000),
        queries: [
          overRange({
            from: 'page_load',
            columns: [{ field: 'lcp_ms', how: 'median', as: 'lcp' }],
            where: { app: '$app', device: '$device' },
          }),
        ],
      }),
    )
    .withPanel(
      stat({
        title: 'Added time',
        description: 'Milliseconds above normal that the newest verdicts name, worst device.',
        unit: 'ms',
        thresholds: steps(100, 300),
        queries: [
          overTime({
            from: 'verdict',
            columns: [{ field: 'added_ms', how: 'max', as: 'added' }],
            where: { app: '$app', device: '$device' },
          }),
        ],
      }),
    )
    .withPanel(
      stat({
        title: 'Devices measuring',
        description: 'Devices with at least one HTTP run in the time shown.',
        unit: 'short',
        queries: [
          countOf({
            tag: 'device',
            from: 'http',
            field: 'ok',
            where: { app: '$app', device: '$device' },
            as: 'devices',
          }),
        ],
      }),
    )
    .withPanel(
      timeseries({
        title: 'Where the time goes',
        description:
          'The ledger of the newest verdicts, segment by segment, mean over the devices chosen. Unmeasured parts are left out, never guessed.',
        unit: 'ms',
        stacked: true,
        alias: '$tag_segment',
        queries: [
          overTime({
            from: 'leg',
            columns: [{ field: 'ms', how: 'mean', as: 'ms' }],
            where: { app: '$app', device: '$device' },
            by: ['segment'],
          }),
        ],
        links: [
          {
            title: 'Device dashboard',
            url: `/d/${uids.device}?\${__url_time_range}&\${device:queryparam}&\${app:queryparam}`,
          },
        ],
      }),
    )
    .withPanel(
      timeseries({
        title: 'Through the tunnel and direct',
        description: 'The same request both ways, median: the difference is what the tunnel costs.',
        unit: 'ms',
        alias: '$tag_via',
        queries: [
          overTime({
            from: 'http',
            columns: [{ field: 'duration_ms', how: 'median', as: 'answer' }],
            where: { app: '$app', device: '$device' },
            by: ['via'],
          }),
        ],
      }),
    )
    .withPanel(
      timeseries({
        title: 'Phases of an answer',
        description:
          'Median of each phase of the runs through the tunnel. Proxy-connect holds the edge’s name resolution and connect.',
        unit: 'ms',
        stacked: true,
        alias: '$col',
        queries: [
          overTime({
            from: 'http',
            only: { via: 'tunnel' },
            where: { app: '$app', device: '$device' },
            columns: [
              { field: 'proxy_connect_ms', how: 'median', as: 'proxy-connect' },
              { field: 'tls_ms', how: 'median', as: 'tls' },
              { field: 'wait_ms', how: 'median', as: 'wait' },
              { field: 'receive_ms', how: 'median', as: 'receive' },
            ],
          }),
        ],
      }),
    )
    .withPanel(
      timeseries({
        title: 'Page load',
        description: 'Milestones since navigation, median.',
        unit: 'ms',
        thresholds: steps(2500, 4000),
        alias: '$col',
        queries: [
          overTime({
            from: 'page_load',
            where: { app: '$app', device: '$device' },
            columns: [
              { field: 'ttfb_ms', how: 'median', as: 'first byte' },
              { field: 'fcp_ms', how: 'median', as: 'first paint' },
              { field: 'lcp_ms', how: 'median', as: 'largest paint' },
              { field: 'load_ms', how: 'median', as: 'load' },
            ],
          }),
        ],
      }),
    )
    .withPanel(
      timeseries({
        title: 'Edge to application',
        description:
          'Each edge’s own TCP handshake to the application (leg 2), whatever devices do.',
        unit: 'ms',
        alias: '$tag_edge',
        queries: [
          overTime({
            from: 'onward',
            columns: [{ field: 'connect_ms', how: 'median', as: 'connect' }],
            where: { app: '$app' },
            by: ['edge'],
          }),
        ],
        links: [{ title: 'Edges dashboard', url: `/d/${uids.edges}?\${__url_time_range}` }],
      }),
    )
    .withPanel(
      timeseries({
        title: 'Runs that failed',
        description: 'Count by failure type; no data: none failed, or none ran.',
        unit: 'short',
        alias: '$tag_failure_type',
        queries: [
          overTime({
            from: 'http',
            columns: [{ field: 'ok', how: 'count', as: 'runs' }],
            where: { app: '$app', device: '$device' },
            present: ['failure_type'],
            by: ['failure_type'],
          }),
        ],
      }),
    )
    .withPanel(
      table({
        title: 'Devices',
        description:
          'Who is affected: each device’s score now, its lowest and the most time added in the time shown. Its id links to its triage page, which has its name.',
        unit: 'none',
        withTime: false,
        columns: {
          device: { links: [triagePage(`/devices/\${__value.text}/applications/\${app}`)] },
          'score now': {},
          'lowest score': {},
          'most added': { unit: 'ms' },
        },
        queries: [
          overRange({
            from: 'verdict',
            columns: [
              { field: 'score', how: 'last', as: 'score now' },
              { field: 'score', how: 'min', as: 'lowest score' },
              { field: 'added_ms', how: 'max', as: 'most added' },
            ],
            where: { app: '$app', device: '$device' },
            by: ['device'],
          }),
        ],
      }),
    )
    .withPanel(
      table({
        title: 'Verdicts',
        description: 'What was said of each device, newest first.',
        unit: 'none',
        withTime: true,
        columns: {
          device: { links: [triagePage(`/devices/\${__value.text}/applications/\${app}`)] },
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
            fields: ['device', 'state', 'segment', 'added_ms', 'confidence', 'score', 'sentence'],
            where: { app: '$app', device: '$device' },
            limit: 100,
          }),
        ],
      }),
    );
