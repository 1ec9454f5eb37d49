import { type Measurement, type Point, series } from '../../../store/schema.ts';
import type { Surroundings } from '../../ledger.ts';
import type { DeviceView } from '../bin-view.ts';
import type { HttpReading } from '../reading.ts';
import type { Services } from './services-of-bin.ts';

/** The run as the split of one run knows it. */
export const pointOf = (run: HttpReading): Point<'http'> => ({
  measurement: 'http',
  timeMs: run.timeMs,
  tags: {
    device: run.deviceId,
    app: run.appId,
    probe: run.probeId,
    via: run.via,
    edge: run.edgeId ?? '',
    failure_type: run.failureType ?? '',
  },
  fields: {
    ...blank('http'),
    ok: run.ok ? 1 : 0,
    duration_ms: run.totalMs,
    dns_ms: run.dnsMs,
    connect_ms: run.connectMs,
    proxy_connect_ms: run.proxyConnectMs,
    tls_ms: run.tlsMs,
    wait_ms: run.waitMs,
    receive_ms: run.receiveMs,
    body_bytes: run.bodyBytes,
    dns_source: run.dnsSource,
    loop_delay_ms: run.lagMs,
    edge_queue_ms: run.edge?.queueMs ?? null,
    edge_dns_ms: run.edge?.dnsMs ?? null,
    edge_connect_ms: run.edge?.connectMs ?? null,
    edge_waited_ms: run.edge?.waitedMs ?? null,
    edge_address: run.edge?.address ?? null,
  },
});

/**
 * What lay around a run, out of the bin's medians instead of single samples. Event-loop delay
 * beyond the usual is off them already, so only the usual is left to be taken off.
 */
export const surroundingsOf = (
  run: HttpReading,
  device: DeviceView,
  services: Services,
): Surroundings => {
  const { timeMs, edgeId } = run;
  const edge = edgeId ?? '';
  const roundTrip = device.tunnel ?? device.runRoundTrip;
  const lagMs = device.lag === null ? null : device.lag.nowMs - device.lagExtraMs;
  const onward = edgeId === null ? undefined : services.onward(run);
  const edgeLag = edgeId === null ? null : (services.edge(edgeId)?.lag ?? null);
  return {
    tunnel:
      roundTrip === null
        ? []
        : [
            {
              measurement: 'tunnel',
              timeMs,
              tags: { device: run.deviceId, edge },
              fields: {
                ...blank('tunnel'),
                control_rtt_ms: roundTrip.nowMs,
                queue_ms: device.queue?.nowMs ?? null,
              },
            },
          ],
    device: [
      {
        measurement: 'device',
        timeMs,
        tags: { device: run.deviceId },
        fields: {
          ...blank('device'),
          loop_delay_ms: lagMs === null ? null : Math.max(0, lagMs),
          gateway_rtt_ms: device.gateway?.nowMs ?? null,
        },
      },
    ],
    edge:
      edgeLag === null
        ? []
        : [
            {
              measurement: 'edge',
              timeMs,
              tags: { edge },
              fields: { ...blank('edge'), loop_delay_ms: edgeLag.nowMs },
            },
          ],
    onward:
      onward?.connect == null
        ? []
        : [
            {
              measurement: 'onward',
              timeMs,
              tags: { edge, app: run.appId },
              fields: { ...blank('onward'), connect_ms: onward.connect.nowMs },
            },
          ],
  };
};

const blanks = new Map<Measurement, object>();

/** Every field of a measurement, not measured. */
const blank = <M extends Measurement>(measurement: M): Point<M>['fields'] => {
  let known = blanks.get(measurement);
  if (known === undefined) {
    const names = Object.keys(series[measurement].fields);
    known = Object.freeze(Object.fromEntries(names.map((name) => [name, null])));
    blanks.set(measurement, known);
  }
  return known as Point<M>['fields'];
};
