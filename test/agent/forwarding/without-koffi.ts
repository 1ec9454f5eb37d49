import { once } from 'node:events';
import { register } from 'node:module';
import { connect } from 'node:net';
import { openLibc } from '#runtime/kernel/libc.ts';
import { createEdgeLab, loopbackApplication } from '#test/support/edge-lab.ts';
import { startLoopbackForwarding } from '#test/support/loopback-forwarding.ts';
import { waitUntil } from '#test/support/wait-until.ts';

/** An agent's tunnel and proxies where koffi cannot be loaded: prints what came through, and ends. */
const refusing = `export const resolve = (name, context, next) => {
  if (name === 'koffi') throw new Error('no build of koffi for this machine');
  return next(name, context);
};`;
register(`data:text/javascript,${encodeURIComponent(refusing)}`);

const lab = await createEdgeLab();
const { entry } = await lab.edge('e1', loopbackApplication);
const { port } = await lab.origin((socket) => socket.resume().end('from the origin'));
const identity = await lab.device();
const forwarding = await startLoopbackForwarding(identity);
forwarding.setPolicy({
  forwarding: { mode: 'tunnel', bypass: [], whenTunnelDown: 'closed', pinnedEdge: '' },
  edges: [entry],
});

/** All that comes back by a proxy that was told this. */
const say = async (to: { port: number }, ...words: (string | Buffer)[]): Promise<string> => {
  const socket = connect(to.port, '127.0.0.1');
  let heard = '';
  socket.on('data', (bytes) => {
    heard += bytes.toString('latin1');
    const next = words.shift();
    if (next !== undefined) socket.write(next);
  });
  socket.write(words.shift() ?? '');
  await once(socket, 'close');
  return heard;
};
const host = Buffer.from('app.test');
const http = await say(
  forwarding.proxy,
  `CONNECT app.test:${port} HTTP/1.1\r\nhost: app.test\r\n\r\n`,
);
const socks = await say(
  forwarding.socks,
  Buffer.of(5, 1, 0),
  Buffer.concat([Buffer.of(5, 1, 0, 3, host.length), host, Buffer.of(port >> 8, port & 255)]),
);
await waitUntil(() => forwarding.tunnel.status().degradations.length > 0);
const told = {
  hasLibc: (await openLibc()) !== undefined,
  http: http.split('\r\n').at(-1),
  socks: socks.slice(-'from the origin'.length),
  decisions: forwarding.decisions(),
  degradations: forwarding.tunnel.status().degradations,
};
process.stdout.write(`${JSON.stringify(told)}\n`);
await forwarding.stop();
await lab.stop();
