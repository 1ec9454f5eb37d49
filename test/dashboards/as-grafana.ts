import type { Variable } from './read-dashboards.ts';

/** What is chosen in a dashboard's drop-downs; `All` for every value. */
export type Choice = Record<string, string[] | 'All'>;

/**
 * A query as Grafana's InfluxDB data source sends it: variables first (several values as a group,
 * escaped for a regular expression; All as the variable's own value), then its macros.
 */
export const asGrafana = (
  query: string,
  variables: readonly Variable[],
  choice: Choice,
  range: { fromMs: number; toMs: number },
): string => {
  let text = query;
  for (const { name, multi, allValue } of variables) {
    const chosen = choice[name] ?? [];
    const value =
      chosen === 'All'
        ? (allValue ?? '')
        : multi && chosen.length > 1
          ? `(${chosen.map(escapeRegex).join('|')})`
          : escapeRegex(chosen[0] ?? '');
    text = text.replaceAll(new RegExp(`\\$(?:${name}\\b|\\{${name}\\})`, 'g'), () => value);
  }
  return text
    .replaceAll('$timeFilter', `time >= ${range.fromMs}ms and time <= ${range.toMs}ms`)
    .replaceAll('$__interval', '1m');
};

const escapeRegex = (value: string): string => value.replace(/[\\^$*+?.()|[\]{}/]/g, '\\$&');
