import { join } from 'node:path';
import type { AgentProgramConfig } from '#agent/config.ts';
import type { CollectorProgramConfig } from '#collector/config.ts';
import type { EdgeProgramConfig } from '#edge/config.ts';
import type { Topology } from '../topology/topology.ts';
import { programsFolder } from './program-file.ts';
import type { LabProgram } from './roster.ts';

/** Ports as they would be in earnest; every node has an address of its own. */
const devicePort = 8443;
const operatorPort = 80;
const edgePort = 443;

/** How often agents and edges ask for a new config: a changed organisation is in force soon. */
const configIntervalMs = 1_000;

export const stateFolderOf = (labFolder: string, program: LabProgram): string =>
  join(programsFolder(labFolder), program.name);

/** Everything about a program that follows from where it stands. The token comes at its first start. */
export const collectorConfig = (
  labFolder: string,
  program: LabProgram,
): Partial<CollectorProgramConfig> => ({
  stateFolder: stateFolderOf(labFolder, program),
  deviceListen: { host: '::', port: devicePort },
  operatorListen: { host: '::', port: operatorPort },
  publicUrl: `http://${nameOf(program)}`,
  diagnoseDelayMs: 200,
  // Two runs of every probe, and what comes a little later of them.
  diagnosis: { binSeconds: 4, graceSeconds: 2, shardBy: 'organisation' },
});

export const edgeConfig = (
  labFolder: string,
  program: LabProgram,
  topology: Topology,
): Partial<EdgeProgramConfig> => ({
  stateFolder: stateFolderOf(labFolder, program),
  collectorUrl: collectorUrl(topology),
  edgeId: program.node.name,
  location: program.node.what,
  listen: { host: '::', port: edgePort },
  advertise: { host: nameOf(program), port: edgePort },
  configIntervalMs,
  dnsServers: resolverOf(program, topology),
  drainMs: 500,
});

export const agentConfig = (
  labFolder: string,
  program: LabProgram,
  topology: Topology,
): Partial<AgentProgramConfig> => ({
  stateFolder: stateFolderOf(labFolder, program),
  collectorUrl: collectorUrl(topology),
  name: program.node.name,
  extraCaFiles: [join(labFolder, 'ca.pem')],
  configIntervalMs,
});

const collectorUrl = (topology: Topology): string => {
  const node = topology.nodes.find(({ role }) => role === 'collector');
  if (!node) throw new Error(`topology ${topology.name} has no collector`);
  return `https://${node.names?.[0] ?? node.address4}:${devicePort}`;
};

const nameOf = ({ node }: LabProgram): string => node.names?.[0] ?? node.address4;

const resolverOf = ({ node }: LabProgram, topology: Topology): string[] => {
  const resolver = topology.nodes.find(({ name }) => name === node.resolver);
  if (!resolver) throw new Error(`node ${node.name} has no resolver`);
  return [resolver.address4];
};
