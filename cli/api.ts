import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { environment } from '#runtime/config.ts';
import { UsageError } from './usage-error.ts';

export type ApiOptions = { collector?: string; token?: string };

/** Adds the two options every command has that talks to a collector. */
export const withApiOptions = (command: Command): Command =>
  command
    .option('--collector <url>', 'operator address of the collector (or WHYSLOW_COLLECTOR)')
    .option('--token <token>', 'operator token (or WHYSLOW_TOKEN)');

/** What `whyslow up` leaves for other commands on this machine to find. */
export const runFileName = 'running.json';
export type RunFile = { operatorUrl: string; operatorToken: string };

export type Api = {
  call<T>(method: 'GET' | 'POST' | 'PUT', path: string, body?: unknown): Promise<T>;
};

/** A problem detail (RFC 9457) from the collector, as one readable text. */
export class ApiProblem extends UsageError {
  override name = 'ApiProblem';
}

/** The operator API of a collector: the one named, or the one `npm start` runs on this machine. */
export const connectApi = (options: ApiOptions): Api => {
  const local = localRun();
  const url = options.collector ?? environment('WHYSLOW_COLLECTOR') ?? local?.operatorUrl;
  const token = options.token ?? environment('WHYSLOW_TOKEN') ?? local?.operatorToken;
  if (url === undefined)
    throw new UsageError(
      'no collector named: give --collector URL, set WHYSLOW_COLLECTOR, or run `npm start` here',
    );
  if (token === undefined)
    throw new UsageError(
      'no operator token: give --token, or set WHYSLOW_TOKEN (the collector wrote its first one to operator-token in its state folder)',
    );
  return createApi(url, token);
};

const localRun = (): RunFile | undefined => {
  const file = join(environment('WHYSLOW_STATE') ?? '.whyslow', runFileName);
  if (!existsSync(file)) return undefined;
  return JSON.parse(readFileSync(file, 'utf8')) as RunFile;
};

export const createApi = (url: string, token: string): Api => {
  if (!/^https?:\/\//.test(url) || !URL.canParse(url))
    throw new UsageError(`--collector ${url}: expected an http:// or https:// URL`);
  return callsTo(url, token);
};

const callsTo = (url: string, token: string): Api => ({
  call: async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const response = await send(new URL(path, url), {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    });
    const text = await response.text();
    if (!response.ok) throw new ApiProblem(describeProblem(response.status, text));
    return (text === '' ? undefined : JSON.parse(text)) as T;
  },
});

const send = async (url: URL, init: RequestInit): Promise<Response> => {
  try {
    return await fetch(url, init);
  } catch (error) {
    const cause = (error as { cause?: { code?: string } }).cause?.code ?? (error as Error).message;
    throw new UsageError(
      `the collector at ${url.origin} does not answer (${cause}): is it running?`,
    );
  }
};

type Problem = {
  title?: string;
  detail?: string;
  errors?: { pointer: string; message: string }[];
};

const describeProblem = (status: number, text: string): string => {
  let problem: Problem = {};
  try {
    problem = JSON.parse(text) as Problem;
  } catch {
    // Not a problem detail: something else answers at this address.
  }
  const head = [problem.title, problem.detail].filter((part) => part).join(': ');
  const lines = (problem.errors ?? []).map(
    ({ pointer, message }) => `  ${pointer || '/'}: ${message}`,
  );
  return [`${head || 'the collector refused'} (${status})`, ...lines].join('\n');
};
