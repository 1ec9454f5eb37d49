import { HttpError, InfluxDB } from '@influxdata/influxdb-client';
import { PointsRefused, StoreUnavailable } from './store.ts';

export type InfluxConfig = {
  url: string;
  database: string;
  /** 2.x and 3.x. */
  token?: string;
  /** 1.x. */
  username?: string;
  password?: string;
  retentionPolicy?: string;
};

export type InfluxSeries = {
  name: string;
  tags?: Record<string, string>;
  columns: string[];
  values: (string | number | boolean | null)[][];
};

/** An engine that has not answered by then counts as gone. */
const writeTimeoutMs = 60_000;
const queryTimeoutMs = 30_000;
const pingTimeoutMs = 5_000;

/**
 * InfluxDB's 1.x paths, which 1.x, 2.x and 3.x all serve, through the client's own transport
 * (docs/decisions/011): every answer is seen here, nothing is retried, buffered or lost behind us.
 */
export const createInfluxHttp = (config: InfluxConfig) => {
  const { transport } = new InfluxDB({
    url: config.url,
    timeout: writeTimeoutMs,
    ...(config.token === undefined ? {} : { token: config.token }),
    headers: basicAuthorization(config),
  });

  const ask = async (
    path: string,
    body: string,
    timeoutMs: number,
    headers: Record<string, string>,
    method: 'GET' | 'POST' = 'POST',
  ): Promise<unknown> => {
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      return await transport.request(path, body, {
        method,
        headers,
        signal,
      });
    } catch (error) {
      throw unavailable(error);
    }
  };

  return {
    /** Resolves when the lines are in InfluxDB's log. Throws PointsRefused or StoreUnavailable. */
    async write(lines: readonly string[]): Promise<void> {
      const target = new URLSearchParams({ db: config.database, precision: 'ns' });
      if (config.retentionPolicy !== undefined) target.set('rp', config.retentionPolicy);
      await ask(`/write?${target}`, lines.join('\n'), writeTimeoutMs, {
        'content-type': 'text/plain; charset=utf-8',
      });
    },

    /** The series of one InfluxQL statement. */
    async query(influxql: string): Promise<InfluxSeries[]> {
      const form = new URLSearchParams({ q: influxql, db: config.database, epoch: 'ms' });
      if (config.retentionPolicy !== undefined) form.set('rp', config.retentionPolicy);
      const answer = await ask('/query', form.toString(), queryTimeoutMs, {
        'content-type': 'application/x-www-form-urlencoded',
        accept: 'application/json',
      });
      return seriesOf(answer, influxql);
    },

    async ping(): Promise<void> {
      await ask('/ping', '', pingTimeoutMs, {}, 'GET');
    },
  };
};

export type InfluxHttp = ReturnType<typeof createInfluxHttp>;

const basicAuthorization = ({ username, password }: InfluxConfig): Record<string, string> =>
  username === undefined
    ? {}
    : {
        authorization: `Basic ${Buffer.from(`${username}:${password ?? ''}`).toString('base64')}`,
      };

const seriesOf = (answer: unknown, influxql: string): InfluxSeries[] => {
  const { results } = answer as {
    results?: {
      series?: (Omit<InfluxSeries, 'values'> & Partial<InfluxSeries>)[];
      error?: string;
    }[];
  };
  const [result] = results ?? [];
  if (!result) throw new StoreUnavailable('store engine: InfluxDB answered without a result');
  if (result.error !== undefined) throw queryError(result.error, influxql);
  // An empty SHOW has a series without values.
  return (result.series ?? []).map((one) => ({ ...one, values: one.values ?? [] }));
};

/** InfluxDB says in a 200 what went wrong with a statement; its time-outs and limits are of the moment. */
const queryError = (message: string, influxql: string): Error =>
  /timeout|max-|database not found|retention policy not found|not executed|shutdown|closed/i.test(
    message,
  )
    ? new StoreUnavailable(`store engine: ${message}`)
    : new Error(`InfluxDB: ${message} (in ${influxql.slice(0, 300)})`);

const unavailable = (error: unknown): Error => {
  if (error instanceof HttpError && error.statusCode === 400) return refused(error);
  const what = error instanceof HttpError ? `${error.statusCode} ${error.message}` : String(error);
  // Credentials, a missing database and the like included: points are kept by their sender until
  // somebody has put it right.
  return new StoreUnavailable(`store engine: InfluxDB: ${what}`, { cause: error });
};

/** 400 to a write: some lines never will be stored ("partial write"), so it is not to be sent again as it is. */
const refused = (error: HttpError): Error => {
  const message = error.message || String(error.body);
  const dropped = /dropped=(\d+)/.exec(message)?.[1];
  return new PointsRefused(
    `store engine: InfluxDB: ${message}`,
    dropped === undefined ? null : Number(dropped),
    { cause: error },
  );
};
