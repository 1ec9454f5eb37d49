import { once } from 'node:events';
import { Command, CommanderError, Option } from 'commander';
import { isWhole } from './build/raise.ts';
import { labsFound } from './build/remove.ts';
import { checkRequirements, LabRefused } from './build/requirements.ts';
import { describeLab, table } from './describe.ts';
import { clearFaults, faultsSet, setFaults } from './faults/apply.ts';
import { faults } from './faults/catalogue.ts';
import { attachLab, type Lab, raiseLab, takeLabDown } from './lab.ts';
import { runningPrograms } from './programs/program-file.ts';
import { readState } from './state.ts';
import { large } from './topology/large.ts';
import { twoSites } from './topology/two-sites.ts';

const topologies = { [twoSites.name]: twoSites, [large.name]: large };

const program = new Command('lab')
  .description(
    'A network of namespaces on this machine, with delays, servers and faults. Needs Linux and root.',
  )
  .addHelpText(
    'after',
    '\nExit codes: 0 done, 1 it failed, 2 called wrongly or refused, 3 (status) not up;\nexec: the code of the command.',
  )
  .showHelpAfterError('(add --help for what this command takes)')
  .enablePositionalOptions()
  .exitOverride();

const command = (name: string, what: string, parent = program): Command =>
  parent.command(name).description(what).option('--name <lab>', 'which lab', 'lab');

command('up', 'make the network, or find that it is there')
  .addOption(
    new Option('--topology <name>', 'which network')
      .choices(Object.keys(topologies))
      .default(twoSites.name),
  )
  .option('--no-services', 'without web servers, name servers and portals')
  .option('--no-shim', 'without delays')
  .action(async (options: UpOptions) => up(options));

command('down', 'remove everything of the lab, also of one that is half there')
  .option('--all', 'every lab on this machine')
  .action(async ({ name, all }: { name: string; all?: true }) => {
    checkRequirements();
    const labs = all === true ? labsFound() : [name];
    for (const lab of labs) await takeLabDown(lab);
    say(labs.length === 0 ? 'nothing to remove' : `down: ${labs.join(', ')}`);
  });

command('status', 'nodes, links, faults set and programs').action(
  async ({ name }: { name: string }) => status(name),
);

command('exec', 'run a command in a node')
  .argument('<node>')
  .argument('<command...>')
  .passThroughOptions()
  .action(async (node: string, words: string[], { name }: { name: string }) => {
    await withLab(name, async (lab) => {
      const [first = '', ...rest] = words;
      // Ctrl-C is for the command; this waits for its end.
      for (const signal of ['SIGINT', 'SIGQUIT'] as const) process.on(signal, () => {});
      const child = lab.spawn(node, first, rest, { stdio: 'inherit' });
      const [code] = (await once(child, 'close')) as [number | null];
      process.exitCode = code ?? 1;
    });
  });

const fault = program.command('fault').description('what goes wrong in the network');
fault
  .command('list')
  .description('all there are')
  .action(() => say(table(faults.map(({ name, what }) => [name, what])).join('\n')));
command('set', 'set faults beside those that are set', fault)
  .argument('<fault...>', 'names from `fault list`')
  .action(async (names: string[], { name }: { name: string }) =>
    withLab(name, async (lab) => {
      await setFaults(lab, names);
      say(`faults set: ${faultsSet(lab).join(', ')}`);
    }),
  );
command('clear', 'undo every fault that is set', fault).action(async ({ name }: { name: string }) =>
  withLab(name, async (lab) => {
    await clearFaults(lab);
    say('no fault is set');
  }),
);

command('programs', 'run collector, edges and agents in the network until Ctrl-C').action(
  async ({ name }: { name: string }) => withLab(name, runPrograms),
);

type UpOptions = { name: string; topology: string; services: boolean; shim: boolean };

async function up({ name, topology, services, shim }: UpOptions): Promise<void> {
  const startedMs = performance.now();
  const ending = endBySignal();
  const lab = await raiseLab({
    ...{ name, services, shim, signal: ending },
    topology: topologies[topology] ?? twoSites,
  });
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
  say(
    `lab "${name}" is up: ${lab.topology.name}, ${lab.topology.nodes.length} nodes, ${seconds} s`,
  );
  lab.close();
}

async function status(name: string): Promise<void> {
  checkRequirements();
  const state = readState(name);
  if (state === undefined || !isWhole(state)) {
    const isHalf = labsFound().includes(name);
    say(`lab "${name}" is ${isHalf ? 'half there: take it down, or up again' : 'not up'}`);
    process.exitCode = 3;
    return;
  }
  await withLab(name, async (lab) => {
    const process = (helper: { pid: number } | null) =>
      helper === null ? 'absent' : `process ${helper.pid}`;
    const { topology, raisedAt, metrics } = state;
    say(
      describeLab({
        ...{ name, topology, raisedAt, metrics },
        shim: process(state.shim),
        services: process(state.services),
        faults: faultsSet(lab),
        programs: runningPrograms(lab.folder).map((one) => `${one.program} (${one.pid})`),
      }),
    );
  });
}

async function runPrograms(lab: Lab): Promise<void> {
  // Only this command needs them, and they take longer to load than all the rest.
  const [{ startPrograms }, { openLoopbackGate }, { collectorSocket }] = await Promise.all([
    import('./programs/programs.ts'),
    import('./services/call-over-socket.ts'),
    import('./services/collector-gate.ts'),
  ]);
  const ending = endBySignal();
  say('starting the programs …');
  const programs = await startPrograms(lab);
  const gate = await openLoopbackGate({ socketPath: collectorSocket(lab.folder) });
  try {
    const running = programs.running();
    const collector = running.find(({ program: name }) => name === 'collector');
    say(`running: ${running.map(({ program: name }) => name).join(', ')}`);
    say(`pages: ${gate.url} (operator token in ${collector?.stateFolder}/operator-token)`);
    if (!ending.aborted) await once(ending, 'abort');
    say('stopping the programs …');
  } finally {
    await gate.stop();
    await programs.stop();
  }
}

async function withLab(name: string, work: (lab: Lab) => Promise<unknown>): Promise<void> {
  checkRequirements();
  const lab = await attachLab(name);
  try {
    await work(lab);
  } finally {
    lab.close();
  }
}

/** The first signal ends the work in order. */
function endBySignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => controller.abort(new LabRefused(`ended by ${signal}`)));
  }
  return controller.signal;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  } else {
    process.stderr.write(`lab: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = error instanceof LabRefused ? 2 : 1;
  }
}
