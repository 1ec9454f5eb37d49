/** The ids of HTTP results in an InfluxDB, one for each point, sorted: a result stored twice is there twice. */
export const storedResultIds = async (
  url: string,
  database: string,
  isMeant: (resultUrl: string) => boolean = () => true,
): Promise<string[]> => {
  const query = new URLSearchParams({ db: database, q: 'SELECT result_id, url FROM http' });
  const answer = await fetch(`${url}/query?${query}`);
  const { results } = (await answer.json()) as {
    results: { series?: { values: [string, string, string | null][] }[] }[];
  };
  const rows = (results[0]?.series ?? []).flatMap(({ values }) => values);
  return rows.flatMap(([, id, resultUrl]) => (isMeant(resultUrl ?? '') ? [id] : [])).sort();
};
