import { join } from 'node:path';
import { callOverSocket } from '../services/call-over-socket.ts';

/** The collector's operator API, as one operator. */
export type CollectorApi = {
  /** Rejects for any status above 299, with the problem's text. */
  call<T>(method: 'GET' | 'PUT' | 'POST', path: string, body?: unknown): Promise<T>;
};

const timeoutMs = 15_000;

/** Through the gate that leads from a socket in the lab's folder into the collector's namespace. */
export const callCollector = (labFolder: string, token: string): CollectorApi => ({
  call: async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const { status, text } = await callOverSocket(join(labFolder, 'collector.sock'), {
      method,
      path,
      headers: {
        host: 'localhost',
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      timeoutMs,
    });
    if (status > 299) throw new Error(`${method} ${path}: ${status} ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  },
});
