import { linkId } from './topology/graph.ts';
import type { Metrics } from './topology/routes.ts';
import type { LabLink, LabNode, Topology } from './topology/topology.ts';

/** A lab for people. */
export const describeLab = (given: {
  name: string;
  topology: Topology;
  raisedAt: string;
  shim: string;
  services: string;
  metrics: Metrics;
  faults: readonly string[];
  programs: readonly string[];
}): string => {
  const { name, topology, metrics, faults, programs } = given;
  const counts = `${topology.nodes.length} nodes, ${topology.links.length} links`;
  return [
    `lab "${name}" is up since ${given.raisedAt}: ${topology.name}, ${counts}`,
    `shim ${given.shim}, services ${given.services}`,
    '',
    ...table(topology.nodes.map(nodeRow)),
    '',
    ...table(topology.links.map((link) => linkRow(link, metrics))),
    '',
    `faults set: ${faults.join(', ') || 'none'}`,
    `programs: ${programs.join(', ') || 'none run'}`,
  ].join('\n');
};

/** Columns padded to their widest. */
export const table = (rows: readonly (readonly string[])[]): string[] => {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
};

const nodeRow = (node: LabNode): string[] => [
  node.name,
  node.role,
  node.address4,
  node.address6,
  [node.what, ...(node.names ?? [])].join(', '),
];

const linkRow = (link: LabLink, metrics: Metrics): string[] => {
  const { delayMs, jitterMs, rateMbits } = link;
  const metric = metrics[linkId(link)];
  return [
    linkId(link),
    `${delayMs} ms${jitterMs === undefined ? '' : ` + ${jitterMs} ms jitter`}`,
    rateMbits === undefined ? '' : `${rateMbits.fromA}/${rateMbits.fromB} Mbit/s`,
    metric === undefined ? '' : `metric ${metric}`,
  ];
};
