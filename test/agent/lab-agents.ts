import { type AgentStatus, readAgentStatus } from '#agent/status.ts';
import type { ForwardingPolicy } from '#contract/policy.ts';
import { testLabName } from '#test/lab/build/lab-name.ts';
import { clearFaults } from '#test/lab/faults/apply.ts';
import { type Lab, raiseLab } from '#test/lab/lab.ts';
import { stateFolderOf } from '#test/lab/programs/configs.ts';
import { labOrganisation } from '#test/lab/programs/organisation.ts';
import { type Programs, startPrograms } from '#test/lab/programs/programs.ts';
import { type LabProgram, programsOf } from '#test/lab/programs/roster.ts';
import { twoSites } from '#test/lab/topology/two-sites.ts';
import { waitUntil } from '#test/support/wait-until.ts';

/** The real programs in a lab of a test's own, with agents that measure nothing by themselves. */
export type LabAgents = {
  lab: Lab;
  programs: Programs;
  member(program: string): LabProgram;
  stateFolder(program: string): string;
  statusOf(device: string): Promise<AgentStatus>;
  /** All agents have their tunnel on this edge. */
  areOn(edge: string): Promise<boolean>;
  isUpFor(device: string, edge: string): Promise<boolean>;
  /** Resolves when every agent has it. */
  forward(policy: Partial<ForwardingPolicy>): Promise<void>;
  stop(): Promise<void>;
};

export const startLabAgents = async (devices: readonly string[]): Promise<LabAgents> => {
  const lab = await raiseLab({ topology: twoSites, name: testLabName() });
  let programs: Programs | undefined;
  const stop = async () => {
    await clearFaults(lab).catch(() => {});
    await programs?.stop();
    await lab.down();
  };
  try {
    programs = await startPrograms(lab, { devices });
    const agents = agentsOf(lab, programs, devices, stop);
    // A first choice on a busy machine may be made before the near edge has answered, and then rests.
    await agents.forward({ pinnedEdge: 'e1' });
    await waitUntil(() => agents.areOn('e1'), 60_000);
    await agents.forward({});
    return agents;
  } catch (error) {
    await stop();
    throw error;
  }
};

const agentsOf = (
  lab: Lab,
  programs: Programs,
  devices: readonly string[],
  stop: () => Promise<void>,
): LabAgents => {
  const member = (name: string): LabProgram => {
    const found = programsOf(lab.topology).find((each) => each.name === name);
    if (!found) throw new Error(`no program ${name}`);
    return found;
  };
  const stateFolder = (name: string) => stateFolderOf(lab.folder, member(name));
  const statusOf = (device: string) => readAgentStatus(stateFolder(`agent-${device}`));
  const statuses = () => Promise.all(devices.map(statusOf));
  return {
    lab,
    programs,
    member,
    stateFolder,
    statusOf,
    async areOn(edge) {
      const all = await statuses();
      return all.every(({ tunnel }) => tunnel.state === 'up' && tunnel.edgeId === edge);
    },
    async isUpFor(device, edge) {
      const { tunnel } = await statusOf(device);
      return tunnel.edges.some(({ id, isUp }) => id === edge && isUp);
    },
    async forward(policy) {
      const before = (await statuses()).map((status) => status.policy.revision);
      const organisation = labOrganisation(lab.topology);
      await programs.apply({
        ...organisation,
        forwarding: { ...organisation.forwarding, ...policy },
        applications: organisation.applications.map((each) => ({ ...each, probes: [] })),
      });
      await waitUntil(async () => {
        const after = (await statuses()).map((status) => status.policy.revision);
        return after.every((revision, index) => revision !== before[index]);
      }, 30_000);
    },
    stop,
  };
};
