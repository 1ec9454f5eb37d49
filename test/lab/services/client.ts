import { callOverSocket } from './call-over-socket.ts';
import type { NameBehaviour, Requests, Services, WebBehaviour } from './control.ts';

/** Reaches running services, from any process of this machine; rejects when there are none. */
export const connectServices = async (socketPath: string): Promise<Services> => {
  const call = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const text = body === undefined ? '' : JSON.stringify(body);
    const answer = await callOverSocket(socketPath, { method, path, body: text }).catch((error) => {
      throw new Error(`the lab's services do not answer at ${socketPath}: ${error.message}`);
    });
    const value: unknown = JSON.parse(answer.text);
    if (answer.status === 200) return value;
    throw new Error((value as { error: string }).error);
  };
  await call('GET', '/nodes');
  return {
    set: async (node, change) => void (await call('PATCH', `/nodes/${node}`, change)),
    get: async (node) => (await call('GET', `/nodes/${node}`)) as WebBehaviour | NameBehaviour,
    reset: async () => void (await call('POST', '/reset')),
    requests: async (node) => (await call('GET', `/nodes/${node}/requests`)) as Requests,
    stop: async () => void (await call('POST', '/stop')),
    close: () => {},
  };
};
