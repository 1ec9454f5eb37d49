import { segments } from '#contract/verdict.ts';
import type { Expectation, PairOutcome, ScenarioRow } from './scenario.ts';
import { outcomes } from './scenario.ts';

/** The sweep as a Markdown table: what was wrong, what was said of it, and when. */
export const scenarioTable = (rows: readonly ScenarioRow[]): string =>
  markdown(
    ['scenario', 'expected', 'verdict', 'ms', 'to first', 'to all', 'element', 'outcome'],
    rows.map((row) => {
      const shown = row.pairs[0];
      return [
        row.scenario,
        expectedOf(row),
        shown === undefined ? '–' : verdictOf(shown),
        msOf(shown),
        secondsText(row.secondsToFirst),
        secondsText(row.secondsToAll),
        elementsText(row),
        outcomeText(row),
      ];
    }),
  );

/** How many of the ledgers that were seen explain their total. */
export const ledgersText = (rows: readonly ScenarioRow[]): string => {
  const sum = (of: (row: ScenarioRow) => number) => rows.reduce((all, row) => all + of(row), 0);
  const count = sum(({ ledgers }) => ledgers.count);
  const closed = sum(({ ledgers }) => ledgers.closedCount);
  const share = count === 0 ? '–' : `${((100 * closed) / count).toFixed(1)} %`;
  return `Ledgers that leave at most 5 % of their total unexplained: ${closed} of ${count} (${share}).`;
};

/** How many scenarios ended how. */
export const summaryOf = (rows: readonly ScenarioRow[]): Record<string, number> =>
  Object.fromEntries(
    outcomes
      .map((outcome) => [outcome, rows.filter((row) => row.outcome === outcome).length] as const)
      .filter(([, count]) => count > 0),
  );

/** What each device and application should have been told (rows) and was (columns), pairs counted. */
export const confusionMatrix = (rows: readonly ScenarioRow[]): string => {
  const told = rows.flatMap(({ pairs }) =>
    pairs
      .filter(({ expectation }) => expectation.kind !== 'tolerated')
      .map((pair) => ({ expected: expectedLabel(pair), said: saidLabel(pair) })),
  );
  const order = [
    ...segments,
    'no segment',
    'ok',
    'inconclusive',
    'no verdict',
    'own state',
    'nobody',
  ];
  const among = (of: (each: (typeof told)[number]) => string) =>
    order.filter((label) => told.some((each) => of(each) === label));
  const expected = among((each) => each.expected);
  const said = among((each) => each.said);
  return markdown(
    ['expected ↓ said →', ...said],
    expected.map((row) => [
      row,
      ...said.map((column) => {
        const count = told.filter((t) => t.expected === row && t.said === column).length;
        return count === 0 ? '·' : String(count);
      }),
    ]),
  );
};

const labels = { innocent: 'nobody', 'third-state': 'own state', tolerated: '' } as const;

/** An accepted answer counts as the expected one, so that the diagonal is what is right. */
const expectedLabel = ({ expectation, verdict, outcome }: PairOutcome): string => {
  if (expectation.kind !== 'blamed') return labels[expectation.kind];
  const said = verdict?.segment;
  return outcome === 'right' && said ? said : (expectation.segments[0] ?? '');
};

const saidLabel = ({ verdict }: PairOutcome): string => {
  if (verdict === null) return 'no verdict';
  if (verdict.state === 'ok' || verdict.state === 'inconclusive') return verdict.state;
  return verdict.segment ?? 'no segment';
};

const expectedOf = (row: ScenarioRow): string => {
  const blamed = row.pairs
    .map(({ expectation }) => expectation)
    .filter((each): each is Extract<Expectation, { kind: 'blamed' }> => each.kind === 'blamed');
  const [first] = blamed;
  if (!first) {
    const itself = row.pairs.filter(({ expectation }) => expectation.kind === 'third-state');
    const devices = [...new Set(itself.map(({ device }) => device))];
    return devices.length === 0 ? 'nobody' : `nobody (${devices.join(', ')}: own state)`;
  }
  const who =
    blamed.length === 1 ? `${first.device}/${first.application}` : `${blamed.length} pairs`;
  return `${first.segments.join(' or ')} at ${first.elements[0] ?? '?'} (${who})`;
};

const verdictOf = ({ verdict, expectation, device, application }: PairOutcome): string => {
  if (verdict === null) return expectation.kind === 'blamed' ? 'none' : '–';
  const words = [verdict.state, verdict.segment].filter((word) => word !== null).join(' ');
  return `${words} (${device}/${application})`;
};

const msOf = (pair: PairOutcome | undefined): string =>
  pair?.verdict?.addedMs == null ? '–' : String(Math.round(pair.verdict.addedMs));

const secondsText = (seconds: number | null): string =>
  seconds === null ? '–' : `${seconds.toFixed(1)} s`;

const elementsText = ({ pairs }: ScenarioRow): string => {
  const asked = pairs.filter(({ elementNamed }) => elementNamed !== null);
  if (asked.length === 0) return '–';
  return `${asked.filter(({ elementNamed }) => elementNamed).length}/${asked.length}`;
};

const outcomeText = (row: ScenarioRow): string => {
  const sufferers = row.pairs.filter(({ expectation }) => expectation.kind === 'blamed');
  const right = sufferers.filter(({ outcome }) => outcome === 'right').length;
  const share =
    sufferers.length > 1 && right < sufferers.length ? ` (${right}/${sufferers.length} right)` : '';
  const blamed = row.bystandersBlamed.map((pair) => `${pair.device}/${pair.application}`);
  return [
    `${row.outcome === 'right' ? row.outcome : `**${row.outcome}**`}${share}`,
    ...(blamed.length > 0 ? [`blamed too: ${blamed.join(', ')}`] : []),
    ...(row.firstOutcome === null ? [] : [`at first ${row.firstOutcome} on a busy machine`]),
    ...(row.overloaded ? ['machine busy'] : []),
  ].join('; ');
};

const markdown = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n');
