import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { faults as catalogue } from '../faults/catalogue.ts';
import { raiseLab } from '../lab.ts';
import { twoSites } from '../topology/two-sites.ts';
import { openArena } from './arena.ts';
import { allScenarios, knownRight, shortList } from './list.ts';
import { recorderOf } from './recorder.ts';
import { chooseScenarios, createProgress, regressions, reportText } from './report.ts';
import type { Scenario } from './scenario.ts';
import { type SweepResult, sweep } from './sweep.ts';

const help = `npm run scenarios -- [options]

Raises the lab, starts the real collector, edges and agents in it, sets fault after fault and holds
the verdicts against what is really wrong. Needs root (network namespaces).

  --only NAME[,NAME…]  these only; may be given several times
  --short              the set that npm test runs
  --list               what there is
  --json FILE          every row with its verdicts
  --markdown FILE      table, confusion matrix and summary
  --recording DIR      keep what was stored, for scenarios/replay.ts (use --json beside it)
  --once               no second run of one that went wrong on an overloaded machine
  --gate               exit code 1 when something known to be right is not
  --lab NAME           lab to use; raised if it is not up (default: sweep)
  --keep               leave the lab and the programs up

Exit codes: 0 it ran, whatever the verdicts; 1 a scenario could not be run (or --gate); 2 wrong use.
`;

const print = (text: string): void => void process.stdout.write(`${text}\n`);

const readOptions = () =>
  parseArgs({
    options: {
      only: { type: 'string', multiple: true, default: [] },
      short: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      json: { type: 'string' },
      markdown: { type: 'string' },
      recording: { type: 'string' },
      once: { type: 'boolean', default: false },
      gate: { type: 'boolean', default: false },
      lab: { type: 'string', default: 'sweep' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
    allowPositionals: true,
  });

const main = async (): Promise<number> => {
  const { values, positionals } = readOptions();
  if (values.help) return tell(help);
  const all = allScenarios(catalogue);
  if (values.list) return tell(all.map(({ name, what }) => `${name}\n    ${what}`).join('\n'));
  const asked = [...values.only, ...positionals].flatMap((names) => names.split(','));
  const chosen = chooseScenarios(all, values.short ? [...asked, ...shortList] : asked);
  if (process.getuid?.() !== 0) {
    print('The lab is made of network namespaces: run this as root.');
    return 2;
  }

  const startedMs = performance.now();
  const result = await runAll(chosen, {
    labName: values.lab,
    keep: values.keep,
    once: values.once,
    recording: values.recording,
  });
  const tookSeconds = (performance.now() - startedMs) / 1_000;
  const text = reportText(result, tookSeconds);
  print(`\n${text}`);
  if (values.markdown !== undefined) writeFileSync(values.markdown, `${text}\n`);
  if (values.json !== undefined) {
    const machine = { cpus: cpus().length, node: process.version, tookSeconds };
    writeFileSync(values.json, JSON.stringify({ version: 1, machine, ...result }, null, 2));
  }
  const worse = values.gate ? regressions(result.rows, knownRight) : [];
  if (worse.length > 0) print(`Known to be right and not so now:\n  ${worse.join('\n  ')}`);
  return result.notRun.length > 0 || worse.length > 0 ? 1 : 0;
};

const tell = (text: string): number => {
  print(text);
  return 0;
};

const runAll = async (
  scenarios: readonly Scenario[],
  options: { labName: string; keep: boolean; once: boolean; recording: string | undefined },
): Promise<SweepResult> => {
  const stopping = new AbortController();
  const ask = () => {
    print('stopping …');
    stopping.abort();
  };
  process.once('SIGINT', ask).once('SIGTERM', ask);
  print('raising the lab …');
  const lab = await raiseLab({ topology: twoSites, name: options.labName });
  try {
    print('starting collector, edges and agents …');
    const arena = await openArena(lab, recorderOf(options.recording));
    try {
      return await sweep({
        scenarios,
        arena,
        on: createProgress(print),
        once: options.once,
        signal: stopping.signal,
      });
    } finally {
      if (!options.keep) await arena.stop();
    }
  } finally {
    if (options.keep) lab.close();
    else await lab.down();
    process.off('SIGINT', ask).off('SIGTERM', ask);
  }
};

try {
  process.exitCode = await main();
} catch (error) {
  const { code, message, stack } = error as NodeJS.ErrnoException;
  const isUsage = code?.startsWith('ERR_PARSE_ARGS') || message.startsWith('no scenario');
  print(isUsage ? `${message}\n\n${help}` : (stack ?? message));
  process.exitCode = isUsage ? 2 : 1;
}
