// The architecture in one file: who may import whom. test/architecture.test.ts runs it.
const programs = 'agent|edge|collector';
const never = (name, from, to) => ({ name, severity: 'error', from, to });
const oneDoor = (pkg, door) =>
  never(
    `one-door-${pkg.replace(/[^a-z0-9]+/gi, '-')}`,
    { path: '^(contract|runtime|probes|agent|edge|collector|dashboards|cli)/', pathNot: door },
    { path: `(^|node_modules/)${pkg}(/|$)` },
  );

module.exports = {
  forbidden: [
    never('no-cycles', {}, { circular: true }),
    never(
      'programs-meet-only-in-the-contract',
      { path: `^(${programs})/` },
      { path: `^(${programs})/`, pathNot: '^$1/' },
    ),
    never(
      'contract-stands-alone',
      { path: '^contract/' },
      { path: '^(runtime|probes|agent|edge|collector|dashboards|cli|test)/' },
    ),
    never(
      'runtime-knows-only-the-contract',
      { path: '^runtime/' },
      { path: '^(probes|agent|edge|collector|dashboards|cli|test)/' },
    ),
    never(
      'probes-know-only-the-contract',
      { path: '^probes/' },
      // Beside it the C library, which is as much the machine's as `node:net`.
      {
        path: '^(runtime|agent|edge|collector|dashboards|cli|test)/',
        pathNot: '^runtime/kernel/libc\\.ts$',
      },
    ),
    never(
      'the-centre-does-not-probe',
      { path: '^(collector|dashboards)/' },
      { path: '^probes/', pathNot: '^probes/dial(-by-system)?\\.ts$' },
    ),
    never(
      'dashboards-read-the-schema',
      { path: '^dashboards/' },
      {
        path: '^(runtime|probes|agent|edge|collector|cli)/',
        pathNot: '^collector/store/schema\\.ts$',
      },
    ),
    never(
      'store-knows-no-reader',
      { path: '^collector/store/' },
      { path: '^collector/(?!store/)' },
    ),
    never(
      'state-knows-no-reader',
      { path: '^collector/state/' },
      { path: '^collector/(?!state/)' },
    ),
    never(
      'ingest-does-not-diagnose',
      { path: '^collector/ingest/' },
      { path: '^collector/(diagnose|incident|notify|pages)/' },
    ),
    never(
      'diagnose-is-pure',
      { path: '^collector/diagnose/' },
      {
        path: '^(runtime|probes|agent|edge|dashboards|cli)/|^collector/(?!diagnose/|store/schema\\.ts)|^(node:)?(fs|net|http|https|dns|child_process)(/|$)',
      },
    ),
    never(
      'incident-is-pure',
      { path: '^collector/incident/' },
      {
        path: '^(runtime|probes)/|^collector/(?!incident/)|^(node:)?(fs|net|http|https|dns|child_process)(/|$)',
      },
    ),
    never('only-the-command-imports-main', { pathNot: '^(test|cli)/' }, { path: '/main\\.ts$' }),
    never('nothing-imports-tests', { pathNot: '^test/' }, { path: '^test/' }),
    oneDoor('puppeteer-core', '^probes/page-load/'),
    oneDoor('dns-packet', '^(probes/dns/|agent/capture/dns)'),
    oneDoor('net-ping', '^probes/path/'),
    oneDoor('raw-socket', '^probes/path/'),
    oneDoor('koffi', '^runtime/kernel/'),
    oneDoor('@influxdata', '^collector/store/influx'),
    oneDoor('@duckdb', '^collector/store/duckdb'),
    oneDoor('@electric-sql', '^collector/state/'),
    oneDoor('pg', '^collector/state/'),
    oneDoor('drizzle-orm', '^collector/(state|control)/'),
    oneDoor('bullmq', '^collector/jobs/bullmq'),
    oneDoor('ioredis', '^collector/jobs/bullmq'),
    oneDoor('prom-client', '^collector/metrics/registry\\.ts$'),
    oneDoor('fastify', '^collector/(http|control|ingest|metrics|pages|triage|notify)/'),
    oneDoor('quickjs-wasi', '^agent/pac/'),
    oneDoor('pino', '^runtime/log\\.ts$'),
    oneDoor('@grafana', '^dashboards/'),
    oneDoor('commander', '^cli/'),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|coverage|dashboards/generated)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
