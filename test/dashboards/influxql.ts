/** What a query of the dashboards names and uses. */
type InfluxqlUse = {
  measurement: string;
  /** Tags and fields of the measurement, wherever they stand. */
  names: string[];
  functions: string[];
  /** What it groups by beside time, or lists the values of: a tag, as InfluxQL cannot otherwise. */
  groups: string[];
  depth: number;
};

/**
 * Reads a query if it keeps to what InfluxDB 1.x, 2.x and 3.x all speak, with Grafana's macros in
 * place; throws with the token where it does not. Anything not written here is refused.
 */
export const readInfluxql = (query: string): InfluxqlUse => {
  const tokens = createTokens(query);
  const use = tokens.take('SHOW') ? readShow(tokens) : readSelect(tokens, 0);
  tokens.end();
  return use;
};

const portableFunctions = [
  'mean',
  'max',
  'min',
  'sum',
  'count',
  'distinct',
  'first',
  'last',
  'median',
  'percentile',
  'top',
  'bottom',
  'spread',
  'stddev',
  'derivative',
  'non_negative_derivative',
  'difference',
  'moving_average',
  'cumulative_sum',
] as const;

const readShow = (tokens: Tokens): InfluxqlUse => {
  for (const word of ['TAG', 'VALUES', 'FROM']) tokens.expect(word);
  const measurement = tokens.name();
  for (const word of ['WITH', 'KEY', '=']) tokens.expect(word);
  const names = [tokens.name()];
  if (tokens.take('WHERE')) names.push(...readConditions(tokens, false));
  return { measurement, names, functions: [], groups: names.slice(0, 1), depth: 0 };
};

const readSelect = (tokens: Tokens, depth: number): InfluxqlUse => {
  if (depth > 1) throw new Error('more than one level of subqueries');
  tokens.expect('SELECT');
  const columns = [readColumn(tokens)];
  while (tokens.take(',')) columns.push(readColumn(tokens));
  const functions = columns.flatMap((column) => column.functions);
  if (functions.length !== 0 && columns.some((column) => column.functions.length === 0)) {
    throw new Error('aggregates and raw columns side by side');
  }
  tokens.expect('FROM');
  if (tokens.take('(')) {
    const inner = readSelect(tokens, depth + 1);
    tokens.expect(')');
    return { ...inner, functions: [...functions, ...inner.functions], depth: inner.depth + 1 };
  }
  const measurement = tokens.name();
  const names = columns.flatMap((column) => column.names);
  tokens.expect('WHERE');
  names.push(...readConditions(tokens, true));
  const groups = readGroupBy(tokens);
  names.push(...groups);
  if (tokens.take('ORDER')) for (const word of ['BY', 'time', 'DESC']) tokens.expect(word);
  if (tokens.take('LIMIT')) tokens.number();
  return { measurement, names, functions, groups, depth: 0 };
};

type ReadColumn = { names: string[]; functions: string[] };

/** A field, or aggregates of fields and what is reckoned of them. */
const readColumn = (tokens: Tokens): ReadColumn => {
  const column = readTerm(tokens);
  if (column.functions.length === 0) return column;
  while (tokens.take('/') || tokens.take('+')) join(column, readTerm(tokens));
  if (tokens.take('AS')) tokens.name();
  return column;
};

const readTerm = (tokens: Tokens): ReadColumn => {
  if (tokens.take('(')) {
    const term = readTerm(tokens);
    while (tokens.take('+')) join(term, readTerm(tokens));
    tokens.expect(')');
    return term;
  }
  const called = portableFunctions.find((name) => tokens.take(name));
  if (called === undefined) return { names: [tokens.name()], functions: [] };
  tokens.expect('(');
  const name = tokens.name();
  tokens.expect(')');
  return { names: [name], functions: [called] };
};

const join = (column: ReadColumn, other: ReadColumn): void => {
  column.names.push(...other.names);
  column.functions.push(...other.functions);
};

/** The time first, as every range of a store that keeps weeks must be bounded. */
const readConditions = (tokens: Tokens, withTime: boolean): string[] => {
  const names: string[] = [];
  if (withTime) tokens.expect('$timeFilter');
  while (withTime ? tokens.take('AND') : names.length === 0 || tokens.take('AND')) {
    names.push(tokens.name());
    if (tokens.take('=~')) tokens.kind('regex');
    else if (tokens.take('>')) tokens.number();
    else {
      tokens.expect('=');
      tokens.kind('string');
    }
  }
  return names;
};

const readGroupBy = (tokens: Tokens): string[] => {
  if (!tokens.take('GROUP')) return [];
  tokens.expect('BY');
  const names: string[] = [];
  do {
    if (tokens.take('time')) {
      tokens.expect('(');
      if (!tokens.take('$__interval')) for (const word of ['5', 'm']) tokens.expect(word);
      tokens.expect(')');
    } else names.push(tokens.name());
  } while (tokens.take(','));
  if (tokens.take('fill')) {
    tokens.expect('(');
    if (!tokens.take('none')) tokens.expect('null');
    tokens.expect(')');
  }
  return names;
};

const kinds = {
  space: /\s+/y,
  name: /"(?:[^"\\]|\\.)*"/y,
  string: /'(?:[^'\\]|\\.)*'/y,
  regex: /\/(?:[^/\\]|\\.)+\//y,
  number: /\d+/y,
  word: /\$?[A-Za-z_]+/y,
  sign: /=~|[=(),/+>]/y,
} as const;
type Token = { kind: keyof typeof kinds; text: string };

const tokenize = (query: string): Token[] => {
  const tokens: Token[] = [];
  for (let at = 0; at < query.length; ) {
    const found = Object.entries(kinds)
      // Elsewhere a slash divides.
      .filter(([kind]) => kind !== 'regex' || tokens.at(-1)?.text === '=~')
      .map(([kind, pattern]) => {
        pattern.lastIndex = at;
        return { kind: kind as Token['kind'], text: pattern.exec(query)?.[0] };
      })
      .find((token): token is Token => token.text !== undefined);
    if (!found) throw new Error(`not portable InfluxQL at: ${query.slice(at)}`);
    if (found.kind !== 'space') tokens.push(found);
    at += found.text.length;
  }
  return tokens;
};

const createTokens = (query: string) => {
  const tokens = tokenize(query);
  let at = 0;
  const fail = (wanted: string): never => {
    const rest = tokens.slice(at).map(({ text }) => text);
    throw new Error(`expected ${wanted} at: ${rest.join(' ') || 'the end'} (in ${query})`);
  };
  const kind = (wanted: Token['kind']): string => {
    const token = tokens[at];
    if (token?.kind !== wanted) return fail(wanted);
    at += 1;
    return token.text;
  };
  const take = (text: string): boolean => {
    if (tokens[at]?.text !== text) return false;
    at += 1;
    return true;
  };
  return {
    kind,
    take,
    expect: (text: string) => void (take(text) || fail(text)),
    name: () => kind('name').slice(1, -1),
    number: () => kind('number'),
    end: () => void (tokens[at] && fail('the end')),
  };
};
type Tokens = ReturnType<typeof createTokens>;
