import { DashboardBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import {
  dashboardLink,
  stat,
  steps,
  table,
  timeseries,
  triageLink,
  triageVariable,
  variable,
} from './panels.ts';
import { meanOf, overRange, overTime, tagValues } from './queries.ts';
import { uids } from './uids.ts';

/** The edges: load, what they cost a flow, and the way from them to the applications. */
export const edgesDashboard = () =>
  new DashboardBuilder('whyslow – edges')
    .uid(uids.edges)
    .description(
      'Service edges: load, sessions, what each costs a flow, tunnels on them, and the way onward to applications.',
    )
    .tags(['whyslow'])
    .timezone('browser')
    .time({ from: 'now-3h', to: 'now' })
    .refresh('30s')
    .link(dashboardLink('Application', uids.application))
    .link(dashboardLink('Device', uids.device))
    .link(triageLink('/edges'))
    .withVariable(variable('edge', 'Edge', tagValues('edge', 'edge'), true))
    .withVariable(
      variable('app', 'Application', tagValues('onward', 'app', { edge: '$edge' }), true),
    )
    .withVariable(triageVariable())
    .withPanel(
      stat({
        title: 'Devices',
        description: 'Devices with a session on each edge, by its newest sample.',
        unit: 'short',
        width: 6,
        alias: '$tag_edge',
        queries: [
          overRange({
            from: 'edge',
            columns: [{ field: 'device_count', how: 'last', as: 'devices' }],
            where: { edge: '$edge' },
            by: ['edge'],
          }),
        ],
      }),
    )
    .withPanel(
      stat({
        title: 'Processor',
        description: 'Share of one processor that an edge uses, the busiest one.',
        unit: 'percentunit',
        width: 6,
        thresholds: steps(0.7, 0.9),
        queries: [
          overTime({
            from: 'edge',
            columns: [{ field: 'cpu_ratio', how: 'max', as: 'cpu' }],
            where: { edge: '$edge' },
          }),
        ],
      }),
    )
    .withPanel(
      stat({
        title: 'Event-loop delay',
        description: 'How late the edge’s timers fire: above a few milliseconds every flow waits.',
        unit: 'ms',
        width: 6,
        thresholds: steps(5, 20),
        queries: [
          overTime({
            from: 'edge',
            columns: [{ field: 'loop_delay_ms', how: 'max', as: 'delay' }],
            where: { edge: '$edge' },
          }),
        ],
      }),
    )
    .withPanel(
      stat({
        title: 'Dials that failed',
        description: 'Connections to applications that could not be made, in the time shown.',
        unit: 'short',
        width: 6,
        thresholds: steps(1, 10),
        queries: [
          overRange({
            from: 'edge',
            columns: [{ field: 'dial_failed_count', how: 'sum', as: 'failed' }],
            where: { edge: '$edge' },
          }),
        ],
      }),
    )
    .withPanel(
      timeseries({
        title: 'What the edge costs a flow',
        description:
          'Medians over flows: waiting inside the edge, its name resolution, its TCP connect to the application.',
        unit: 'ms',
        stacked: true,
        alias: '$tag_edge $col',
        queries: [
          overTime({
            from: 'edge',
            where: { edge: '$edge' },
            by: ['edge'],
            columns: [
              { field: 'queue_ms', how: 'median', as: 'in the edge' },
              { field: 'dns_ms', how: 'median', as: 'dns' },
              { field: 'connect_ms', how: 'median', as: 'connect' },
            ],
          }),
        ],
      }),
    )
    .withPanel(
      timeseries({
        title: 'Onward to applications',
        description: 'The edge’s own TCP handshake to each application (leg 2).',
        unit: 'ms',
        alias: '$tag_edge → $tag_app',
        queries: [
          overTime({
            from: 'onward',
            columns: [{ field: 'connect_ms', how: 'median', as: 'connect' }],
            where: { edge: '$edge', app: '$app' },
            by: ['edge', 'app'],
          }),
        ],
        links: [
          {
            title: 'Application dashboard',
            url: `/d/${uids.application}?\${__url_time_range}&var-app=\${__field.labels.app}`,
          },
        ],
      }),
    )
    .withPanel(
      timeseries({
        title: 'Tunnels on the edge: round trip',
        description: 'Mean over devices and 5 minutes of the control session’s round trip.',
        unit: 'ms',
        alias: '$tag_edge',
        queries: [
          overTime({
            from: 'tunnel_5m',
            columns: [meanOf('control_rtt', 'rtt')],
            counted: 'control_rtt_count',
            where: { edge: '$edge' },
            by: ['edge'],
          }),
        ],
      }),
    )
    .withPanel(
      timeseries({
        title: 'Reconnects',
        description: 'Tunnel sessions made anew, by edge.',
        unit: 'short',
        alias: '$tag_edge',
        queries: [
          overTime({
            from: 'tunnel_5m',
            columns: [{ field: 'reconnect_count', how: 'sum', as: 'reconnects' }],
            where: { edge: '$edge' },
            by: ['edge'],
          }),
        ],
      }),
    )
    .withPanel(
      timeseries({
        title: 'Sessions and streams',
        description: 'Authenticated sessions and flows under way.',
        unit: 'short',
        alias: '$tag_edge $col',
        queries: [
          overTime({
            from: 'edge',
            where: { edge: '$edge' },
            by: ['edge'],
            columns: [
              { field: 'session_count', how: 'max', as: 'sessions' },
              { field: 'stream_count', how: 'max', as: 'streams' },
            ],
          }),
        ],
      }),
    )
    .withPanel(
      timeseries({
        title: 'Traffic',
        description: 'Bytes carried per sample interval, from and to devices.',
        unit: 'bytes',
        alias: '$tag_edge $col',
        queries: [
          overTime({
            from: 'edge',
            where: { edge: '$edge' },
            by: ['edge'],
            columns: [
              { field: 'up_bytes', how: 'sum', as: 'up' },
              { field: 'down_bytes', how: 'sum', as: 'down' },
            ],
          }),
        ],
      }),
    )
    .withPanel(
      table({
        title: 'Edges',
        description: 'Flows, refusals and failed dials of each edge in the time shown.',
        unit: 'short',
        withTime: false,
        columns: {
          edge: {},
          flows: {},
          refused: {},
          'dials failed': {},
          memory: { unit: 'bytes' },
        },
        queries: [
          overRange({
            from: 'edge',
            where: { edge: '$edge' },
            by: ['edge'],
            columns: [
              { field: 'flow_count', how: 'sum', as: 'flows' },
              { field: 'refused_count', how: 'sum', as: 'refused' },
              { field: 'dial_failed_count', how: 'sum', as: 'dials failed' },
              { field: 'memory_bytes', how: 'max', as: 'memory' },
            ],
          }),
        ],
      }),
    );
