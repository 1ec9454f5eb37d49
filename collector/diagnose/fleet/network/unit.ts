import type { ApplicationView, DeviceView, OnwardView, TraceView } from '../bin-view.ts';
import { markedApplication, markedEdge } from '../marked-ids.ts';
import { type ChainNode, chainOf, type Origin } from './chain.ts';

/** One measured way: device to edge, device straight to an application, or edge to an application. */
export type Path = {
  leg: 'leg1' | 'direct' | 'onward';
  appId: string | null;
  /** What splits the way, in order, the end last. An onward path begins with its edge. */
  nodes: readonly ChainNode[];
  trace: TraceView | null;
  /** The trace's last hop is the path's end. */
  reached: boolean;
};

/** Something that measures: a device, or an edge's measurements towards one front end. */
export type Unit = {
  /** Device id, or edge, application and front end. */
  id: string;
  device: DeviceView | null;
  onward: OnwardView | null;
  /** Units of one site share a gateway; an edge is a site. */
  site: string;
  paths: readonly Path[];
};

export const deviceUnit = (device: DeviceView): Unit => {
  // A site may be called what a device is: they are never one another.
  const site = device.siteId === undefined ? device.deviceId : `site:${device.siteId}`;
  const network = device.asn === null ? null : `AS${device.asn}/${device.region ?? ''}`;
  const origin = { site, network };
  const paths: Path[] = [];
  if (device.edgeId !== null) {
    paths.push(pathOf('leg1', null, device.trace, origin, edgeNode(device.edgeId)));
  }
  for (const application of device.applications) {
    if (application.via === 'direct') paths.push(directPath(application, origin));
  }
  return { id: device.deviceId, device, onward: null, site, paths };
};

const directPath = (application: ApplicationView, origin: Origin): Path => {
  const { appId, frontEnd, directTrace } = application;
  return pathOf('direct', appId, directTrace, origin, frontNode(appId, frontEnd));
};

export const onwardUnit = (onward: OnwardView): Unit => {
  const { edgeId, appId, frontEnd } = onward;
  const site = `edge:${edgeId}`;
  const origin = { site, network: null };
  const path = pathOf('onward', appId, onward.trace, origin, frontNode(appId, frontEnd));
  const begins = { ...edgeNode(edgeId), ttl: -1 };
  return {
    id: onwardId(edgeId, appId, frontEnd),
    device: null,
    onward,
    site,
    paths: [{ ...path, nodes: [begins, ...path.nodes] }],
  };
};

const onwardId = (edgeId: string, appId: string, frontEnd: string | null): string =>
  `${edgeId}/${appId}/${frontEnd ?? ''}`;

const edgeNode = (edgeId: string): ChainNode => ({
  key: `edge:${edgeId}`,
  address: null,
  name: markedEdge(edgeId),
  asn: null,
  ttl: Number.POSITIVE_INFINITY,
});

const frontNode = (appId: string, frontEnd: string | null): ChainNode => ({
  key: `front:${appId}:${frontEnd ?? ''}`,
  address: frontEnd,
  name:
    frontEnd === null
      ? `application ${markedApplication(appId)}`
      : `${frontEnd} of application ${markedApplication(appId)}`,
  asn: null,
  ttl: Number.POSITIVE_INFINITY,
});

const pathOf = (
  leg: Path['leg'],
  appId: string | null,
  trace: TraceView | null,
  origin: Origin,
  end: ChainNode,
): Path => {
  const { nodes, reached } = chainOf(trace, origin, end, leg !== 'onward');
  return { leg, appId, nodes, trace, reached };
};
