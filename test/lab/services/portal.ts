import { createServer } from 'node:http';
import { portalPort } from './control.ts';
import { listenInside } from './namespace-sockets.ts';
import type { ServedNode, Service } from './service.ts';
import { createTally } from './tally.ts';

/**
 * A gateway's captive portal: it answers in everyone's name and sends them to its login page, as
 * hotels do. Nobody comes here until a fault leads port 80 to it.
 */
export const startPortal = async (node: ServedNode): Promise<Service> => {
  const tally = createTally();
  const address = node.addresses[0] ?? '';
  const server = createServer((request, response) => {
    const { host = '' } = request.headers;
    const url = request.url ?? '/';
    const isLogin = host === `${address}:${portalPort}` && url.startsWith('/login');
    const source = request.socket.remoteAddress;
    tally.request({ target: `${host}${url}`, source, protocol: 'http/1.1' });
    tally.answer(isLogin ? 200 : 302);
    request.resume();
    if (!isLogin) {
      const location = `http://${address}:${portalPort}/login`;
      response.writeHead(302, { location, 'cache-control': 'no-store', connection: 'close' });
      response.end();
      return;
    }
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(loginPage);
  });
  server.on('connection', () => tally.connection());
  await listenInside(node.namespace, server, portalPort);
  return {
    behaviour: () => undefined,
    change: async () => {},
    reset: async () => {},
    requests: tally.counts,
    stop: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
};

const loginPage = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Log in to the network</title></head>
<body><h1>Welcome</h1><form><label>Room <input name="room"></label> <button>Log in</button></form></body>
</html>
`;
