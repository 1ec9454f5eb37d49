import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

const folders = 'contract runtime probes agent edge collector dashboards cli'.split(' ');

type Cruise = {
  summary: {
    totalCruised: number;
    totalDependenciesCruised: number;
    violations: { rule: { name: string }; from: string; to: string }[];
  };
  modules: { source: string }[];
};

const cruise = (cwd: string, paths: readonly string[]): Cruise => {
  const command = join(process.cwd(), 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const args = [command, '--config', '.dependency-cruiser.cjs', '-T', 'json', ...paths];
  return JSON.parse(
    execFileSync(process.execPath, args, { cwd, encoding: 'utf8', maxBuffer: 1e8 }),
  );
};

test('nobody imports what the architecture forbids, and every module was read', () => {
  const { summary, modules } = cruise(process.cwd(), folders);
  expect(summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`)).toEqual(
    [],
  );

  // With a TypeScript it does not understand the cruiser reads nothing and reports no violations.
  const tracked = execFileSync('git', ['ls-files', '--', ...folders], { encoding: 'utf8' })
    .split('\n')
    .filter((file) => file.endsWith('.ts'));
  const read = new Set(modules.map(({ source }) => source));
  expect(tracked.filter((file) => !read.has(file))).toEqual([]);
  expect(summary.totalCruised).toBeGreaterThan(150);
  expect(summary.totalDependenciesCruised).toBeGreaterThan(400);
});

/** A file that breaks a rule, what it imports, and the rule's name. */
const planted: [file: string, imports: string, rule: string][] = [
  ['agent/a.ts', '../edge/b.ts', 'programs-meet-only-in-the-contract'],
  ['contract/c.ts', '../runtime/d.ts', 'contract-stands-alone'],
  ['runtime/e.ts', '../agent/f.ts', 'runtime-knows-only-the-contract'],
  ['probes/g.ts', '../runtime/d.ts', 'probes-know-only-the-contract'],
  ['collector/http/h.ts', '../../probes/i.ts', 'the-centre-does-not-probe'],
  ['dashboards/j.ts', '../collector/http/k.ts', 'dashboards-read-the-schema'],
  ['collector/store/l.ts', '../http/k.ts', 'store-knows-no-reader'],
  ['collector/state/m.ts', '../http/k.ts', 'state-knows-no-reader'],
  ['collector/ingest/n.ts', '../diagnose/o.ts', 'ingest-does-not-diagnose'],
  ['collector/diagnose/p.ts', 'node:fs', 'diagnose-is-pure'],
  ['collector/incident/q.ts', '../store/r.ts', 'incident-is-pure'],
  ['agent/s.ts', './main.ts', 'only-the-command-imports-main'],
  ['edge/t.ts', '../test/u.ts', 'nothing-imports-tests'],
  ['agent/v.ts', 'pino', 'one-door-pino'],
  ['agent/w.ts', 'puppeteer-core', 'one-door-puppeteer-core'],
  ['agent/x.ts', './y.ts', 'no-cycles'],
];

test('each rule catches the import it is there to catch', () => {
  const tree = mkdtempSync(join(tmpdir(), 'whyslow-rules-'));
  try {
    cpSync('.dependency-cruiser.cjs', join(tree, '.dependency-cruiser.cjs'));
    cpSync('tsconfig.json', join(tree, 'tsconfig.json'));
    const write = (file: string, text: string) => {
      mkdirSync(dirname(join(tree, file)), { recursive: true });
      writeFileSync(join(tree, file), text);
    };
    for (const [file, target] of planted) {
      const imported = join(dirname(file), target);
      if (target.startsWith('.')) write(imported, 'export const there = 1;\n');
    }
    write('agent/y.ts', "import './x.ts';\n");
    write('cli/z.ts', 'export const here = 1;\n');
    for (const [file, target] of planted)
      write(file, `import '${target}';\nexport const here = 1;\n`);

    const { summary } = cruise(tree, [...folders, 'test']);
    const caught = summary.violations.map(({ rule, from }) => `${from}: ${rule.name}`);
    for (const [file, , rule] of planted) expect(caught).toContain(`${file}: ${rule}`);
  } finally {
    rmSync(tree, { recursive: true });
  }
});

test('the version in package.json has its section in the changelog', () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  expect(readFileSync('CHANGELOG.md', 'utf8')).toContain(`## ${version}`);
});
