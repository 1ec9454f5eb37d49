import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Organisation } from '#contract/organisation.ts';
import type { Lab } from '../lab.ts';
import { type CollectorApi, callCollector } from './api.ts';
import { agentConfig, collectorConfig, edgeConfig, stateFolderOf } from './configs.ts';
import { launchProgram, stopAllPrograms, stopProgram, waitForProgram } from './launch.ts';
import { labOrganisation, type OrganisationOptions } from './organisation.ts';
import { type ProgramFile, programsFolder, runningPrograms } from './program-file.ts';
import { type LabProgram, programsOf } from './roster.ts';
import { upCheck } from './up-check.ts';

export type ProgramsOptions = OrganisationOptions & {
  /** Device nodes that get an agent; absent: all. */
  devices?: readonly string[];
};

/** whyslow itself, running in a lab. */
export type Programs = {
  /** The collector's public API, as an operator. */
  api: CollectorApi;
  /** Device id by node name, and node name by device id. */
  deviceIds(): Promise<Record<string, string>>;
  apply(organisation: Organisation): Promise<void>;
  /** Starts one that does not run; its identity and state are those of its last life. */
  start(program: string, environment?: Record<string, string>): Promise<void>;
  stopOne(program: string): Promise<void>;
  /** Ends and starts one; the environment is for such things as LD_PRELOAD. */
  restart(program: string, environment?: Record<string, string>): Promise<void>;
  running(): ProgramFile[];
  /** Ends all of them. */
  stop(): Promise<void>;
};

/** tsx compiles each program at its start; with seven at once on two cores that takes its time. */
const startWithinMs = 90_000;

/**
 * Starts collector, edges and agents as processes of their own in their namespaces, enrolled with
 * tokens of the public API and told what to measure by an organisation document. What an earlier run
 * left in this lab is ended and deleted first.
 */
export const startPrograms = async (lab: Lab, options: ProgramsOptions = {}): Promise<Programs> => {
  await stopAllPrograms(lab.folder);
  rmSync(programsFolder(lab.folder), { recursive: true, force: true });
  const roster = programsOf(lab.topology, options.devices);
  try {
    const api = await startCollector(lab, roster);
    const programs = controlOf(lab, roster, api);
    await programs.apply(labOrganisation(lab.topology, options));
    for (const kind of ['edge', 'agent'] as const) {
      const ofKind = roster.filter((program) => program.kind === kind);
      await Promise.all(ofKind.map(({ name }) => programs.start(name)));
    }
    return programs;
  } catch (error) {
    await stopAllPrograms(lab.folder);
    throw error;
  }
};

const controlOf = (lab: Lab, roster: readonly LabProgram[], api: CollectorApi): Programs => {
  const member = (name: string): LabProgram => {
    const program = roster.find((each) => each.name === name);
    if (program) return program;
    throw new Error(`no program ${name} here: ${roster.map((each) => each.name).join(', ')}`);
  };
  const fileOf = (name: string) =>
    runningPrograms(lab.folder).find(({ program }) => program === name);

  const programs: Programs = {
    api,
    async deviceIds() {
      const { items } = await api.call<{ items: { id: string; name: string }[] }>(
        'GET',
        '/v1/devices',
      );
      return Object.fromEntries(items.map(({ name, id }) => [name, id]));
    },
    async apply(organisation) {
      await api.call('PUT', '/v1/organisation', organisation);
    },
    async start(name, environment) {
      const program = member(name);
      if (fileOf(name)) throw new Error(`${name} runs already`);
      const config = await configOf(lab, program, api);
      const isUp = upCheck(lab, program, api);
      const file = launchProgram(lab, program, config, environment);
      await waitForProgram(file, isUp, startWithinMs);
    },
    async stopOne(name) {
      const file = fileOf(member(name).name);
      if (file) await stopProgram(lab.folder, file);
    },
    async restart(name, environment) {
      await programs.stopOne(name);
      await programs.start(name, environment);
    },
    running: () => runningPrograms(lab.folder),
    stop: () => stopAllPrograms(lab.folder),
  };
  return programs;
};

const startCollector = async (lab: Lab, roster: readonly LabProgram[]): Promise<CollectorApi> => {
  const program = collectorOf(roster);
  const file = launchProgram(lab, program, collectorConfig(lab.folder, program));
  const tokenFile = tokenFileOf(lab, program);
  await waitForProgram(file, () => existsSync(tokenFile), startWithinMs);
  const api = callCollector(lab.folder, operatorToken(lab, roster));
  await waitForProgram(file, upCheck(lab, program, api), startWithinMs);
  return api;
};

const collectorOf = (roster: readonly LabProgram[]): LabProgram => {
  const program = roster.find(({ kind }) => kind === 'collector');
  if (!program) throw new Error('the topology has no collector');
  return program;
};

const tokenFileOf = (lab: Lab, collector: LabProgram): string =>
  join(stateFolderOf(lab.folder, collector), 'operator-token');

const operatorToken = (lab: Lab, roster: readonly LabProgram[]): string =>
  readFileSync(tokenFileOf(lab, collectorOf(roster)), 'utf8').trim();

/** With an enrolment token as long as the program has no identity of its own. */
const configOf = async (
  lab: Lab,
  program: LabProgram,
  api: CollectorApi,
): Promise<Record<string, unknown>> => {
  if (program.kind === 'collector') return collectorConfig(lab.folder, program);
  const config =
    program.kind === 'edge'
      ? edgeConfig(lab.folder, program, lab.topology)
      : agentConfig(lab.folder, program, lab.topology);
  if (existsSync(join(stateFolderOf(lab.folder, program), 'identity.json'))) return config;
  const role = program.kind === 'edge' ? 'edge' : 'device';
  const { token } = await api.call<{ token: string }>('POST', '/v1/enrollment-tokens', {
    role,
    uses: 1,
    expiresInSeconds: 3_600,
    note: `lab: ${program.name}`,
  });
  return { ...config, enrollmentToken: token };
};
