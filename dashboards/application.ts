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
import { meanOf, mostAtOnce, overRange, overTime, rows, tagValues } from './queries.ts';
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
    .withVariable(variable('app', 'Application', tagValues('http_5m', 'app'), false))
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
            where: { app: '$app' },
          }),
        ],
      }),
    )
    .withPanel(
      stat({
        title: 'Availability',
        description: 'Share of planned HTTP runs of all devices that met their success condition.',
        unit: 'percentunit',
        thresholds: shareSteps,
        queries: [
          overRange({
            from: 'http_5m',
            columns: [{ sum: 'ok_count', per: ['ok_count', 'failed_count'], as: 'availability' }],
            where: { app: '$app' },
          }),
        ],
      }),
    )
    .withPanel(
      stat({
        title: 'Answer time',
        description: 'Mean of the last exchange of each planned HTTP run, all phases.',
        unit: 'ms',
        thresholds: steps(500, 1000),
        queries: [
          overRange({
            from: 'http_5m',
            columns: [meanOf('duration', 'answer')],
            counted: 'duration_count',
            where: { app: '$app' },
          }),
        ],
      }),
    )
    .withPanel(
      stat({
        title: 'Largest contentful paint',
        description:
          'Mean over page loads: when the largest element was drawn. Good is 2,500 ms or less (web.dev).',
        unit: 'ms',
        thresholds: steps(2500, 4000),
        queries: [
          overRange({
            from: 'page_load_5m',
            columns: [meanOf('lcp', 'lcp')],
            counted: 'lcp_count',
            where: { app: '$app' },
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
            where: { app: '$app' },
          }),
        ],
      }),
    )
    .withPanel(
      stat({
        title: 'Devices measuring',
        description: 'The most devices that made HTTP runs through the tunnel in any 5 minutes.',
        unit: 'short',
        queries: [
          mostAtOnce({
            from: 'http_5m',
            field: 'device_count',
            only: { via: 'tunnel' },
            where: { app: '$app' },
            by: ['probe'],
            as: 'devices',
          }),
        ],
      }),
    )
    .withPanel(
      timeseries({
        title: 'Through the tunnel and direct',
        description: 'The same request both ways, mean: the difference is what the tunnel costs.',
        unit: 'ms',
        alias: '$tag_via',
        queries: [
          overTime({
            from: 'http_5m',
            columns: [meanOf('duration', 'answer')],
            counted: 'duration_count',
            where: { app: '$app' },
            by: ['via'],
          }),
        ],
      }),
    )
    .withPanel(
      timeseries({
        title: 'Where the time goes',
        description:
          'Mean of each phase of the runs through the tunnel, all devices. Proxy-connect holds what the edge told: its queue, name resolution and connect. One device’s ledger, segment by segment, is on its own dashboard.',
        unit: 'ms',
        stacked: true,
        alias: '$col',
        queries: [
          overTime({
            from: 'http_5m',
            only: { via: 'tunnel' },
            where: { app: '$app' },
            counted: 'duration_count',
            columns: [
              meanOf('proxy_connect', 'proxy-connect'),
              meanOf('tls', 'tls'),
              meanOf('wait', 'wait'),
              meanOf('receive', 'receive'),
            ],
          }),
        ],
        links: [{ title: 'Device dashboard', url: `/d/${uids.device}?\${__url_time_range}` }],
      }),
    )
    .withPanel(
      timeseries({
        title: 'Page load',
        description: 'Milestones since navigation, mean of 5 minutes.',
        unit: 'ms',
        thresholds: steps(2500, 4000),
        alias: '$col',
        queries: [
          overTime({
            from: 'page_load_5m',
            where: { app: '$app' },
            counted: 'lcp_count',
            columns: [
              meanOf('ttfb', 'first byte'),
              meanOf('fcp', 'first paint'),
              meanOf('lcp', 'largest paint'),
              meanOf('load', 'load'),
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
        description: 'Planned HTTP runs that failed by probe; why, is on the device dashboard.',
        unit: 'short',
        width: 24,
        alias: '$tag_probe',
        queries: [
          overTime({
            from: 'http_5m',
            columns: [{ field: 'failed_count', how: 'sum', as: 'failed' }],
            where: { app: '$app' },
            by: ['probe'],
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
            where: { app: '$app' },
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
            where: { app: '$app' },
            limit: 100,
          }),
        ],
      }),
    );
