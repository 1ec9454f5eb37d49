/** The bench's client, a process of its own so that it can stand in a namespace. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Way } from './way.ts';

type Target = Pick<Way, 'target' | 'proxyPort'>;
type Question =
  | { do: 'requests'; count: number; pauseMs: number }
  | { do: 'opens'; count: number; atOnce: number }
  | { do: 'bulk'; file: string; seconds: number }
  | { do: 'transfers'; file: string; sha256: string; count: number; atOnce: number }
  | { do: 'hold'; count: number }
  | { do: 'again' }
  | { do: 'release' };

const way = JSON.parse(process.argv[2] ?? '{}') as Target;
const held: { socket: Socket; answerBytes: number }[] = [];

const open = async (): Promise<Socket> => {
  const { host, port } = way.target;
  if (way.proxyPort === undefined) {
    const socket = connect({ host, port, noDelay: true });
    await once(socket, 'connect');
    return socket;
  }
  const asking = request({
    host: '127.0.0.1',
    port: way.proxyPort,
    method: 'CONNECT',
    path: `${host}:${port}`,
    agent: false,
  });
  asking.end();
  const [answer, socket] = (await once(asking, 'connect')) as [{ statusCode: number }, Socket];
  if (answer.statusCode !== 200) throw new Error(`CONNECT answered ${answer.statusCode}`);
  return socket.setNoDelay(true);
};

const ask = (socket: Socket): void => {
  socket.write('GET /small HTTP/1.1\r\nHost: bench.test\r\n\r\n');
};

/** Bytes of one answer: head and body. nginx's head does not change its length. */
const readFirst = async (socket: Socket): Promise<number> => {
  let text = Buffer.alloc(0);
  ask(socket);
  for (;;) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    text = Buffer.concat([text, chunk]);
    const headEnd = text.indexOf('\r\n\r\n');
    if (headEnd >= 0 && text.length >= headEnd + 4 + 1_024) return text.length;
  }
};

const answerTo = (socket: Socket, bytes: number): Promise<void> =>
  new Promise((resolve, reject) => {
    let left = bytes;
    const onData = (chunk: Buffer) => {
      left -= chunk.length;
      if (left > 0) return;
      socket.off('data', onData).off('close', onClose);
      resolve();
    };
    const onClose = () => reject(new Error('closed before the answer'));
    socket.on('data', onData).once('close', onClose);
    ask(socket);
  });

const requests = async (count: number, pauseMs: number) => {
  const socket = await open();
  const bytes = await readFirst(socket);
  const timesUs: number[] = [];
  const warmUp = pauseMs > 0 ? 3 : 300;
  for (let i = 0; i < count + warmUp; i++) {
    const startedMs = performance.now();
    await answerTo(socket, bytes);
    if (i >= warmUp) timesUs.push((performance.now() - startedMs) * 1_000);
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  socket.destroy();
  return { timesUs };
};

const opens = async (count: number, atOnce: number) => {
  const timesMs: number[] = [];
  let left = count;
  const one = async () => {
    while (left > 0) {
      left -= 1;
      const startedMs = performance.now();
      const socket = await open();
      await readFirst(socket);
      timesMs.push(performance.now() - startedMs);
      socket.end();
      await once(socket.resume(), 'close');
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  return { timesMs };
};

/** One download, asked for again when it ends, for so long. */
const bulk = async (file: string, seconds: number) => {
  const socket = await open();
  const request = `GET /${file} HTTP/1.1\r\nHost: bench.test\r\n\r\n`;
  let bytes = 0;
  socket.on('data', (chunk) => {
    bytes += chunk.length;
  });
  // Asked for ahead, so that the line never runs dry.
  for (let i = 0; i < 20; i++) socket.write(request);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  socket.destroy();
  return { bytes };
};

type Transfers = { rightCount: number; wrongCount: number; broken: string[] };

/** Downloads, each hashed: right, wrong (an orderly end with other bytes), or broken off. */
const transfers = async (file: string, sha256: string, count: number, atOnce: number) => {
  const result: Transfers = { rightCount: 0, wrongCount: 0, broken: [] };
  let left = count;
  const one = async () => {
    while (left > 0) {
      left -= 1;
      const outcome = await transfer(file).catch((error: Error) => error);
      if (outcome instanceof Error) result.broken.push(outcome.message);
      else if (outcome === sha256) result.rightCount += 1;
      else result.wrongCount += 1;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  return result;
};

const transfer = async (file: string): Promise<string> => {
  const socket = await open();
  const hash = createHash('sha256');
  let head = Buffer.alloc(0);
  let isBody = false;
  let wantedBytes = Number.NaN;
  let bodyBytes = 0;
  const body = (chunk: Buffer) => {
    bodyBytes += chunk.length;
    hash.update(chunk);
  };
  socket.write(`GET /${file} HTTP/1.1\r\nHost: bench.test\r\nConnection: close\r\n\r\n`);
  socket.on('data', (chunk: Buffer) => {
    if (isBody) return body(chunk);
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) return;
    isBody = true;
    wantedBytes = Number(/content-length: (\d+)/i.exec(head.toString('latin1', 0, end))?.[1]);
    body(head.subarray(end + 4));
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('end', resolve).once('error', reject);
    socket.once('close', () => reject(new Error('closed before its end')));
    socket.setTimeout(60_000, () => socket.destroy(new Error('silent for 60 s')));
  });
  socket.destroy();
  // An orderly end in the middle would be the worst: a user takes it for the whole.
  if (bodyBytes !== wantedBytes) return `${bodyBytes} of ${wantedBytes} bytes`;
  return hash.digest('hex');
};

const hold = async (count: number) => {
  let left = count;
  const one = async () => {
    while (left > 0) {
      left -= 1;
      const socket = await open();
      held.push({ socket, answerBytes: await readFirst(socket) });
    }
  };
  await Promise.all(Array.from({ length: 50 }, one));
  return { heldCount: held.length };
};

/** Every held connection once more: none was lost. */
const again = async () => {
  let answered = 0;
  for (let at = 0; at < held.length; at += 200) {
    const some = held.slice(at, at + 200);
    const all = some.map(({ socket, answerBytes }) => answerTo(socket, answerBytes));
    answered += (await Promise.allSettled(all)).filter(
      ({ status }) => status === 'fulfilled',
    ).length;
  }
  return { answered };
};

const answer = async (question: Question): Promise<object> => {
  if (question.do === 'requests') return requests(question.count, question.pauseMs);
  if (question.do === 'opens') return opens(question.count, question.atOnce);
  if (question.do === 'bulk') return bulk(question.file, question.seconds);
  if (question.do === 'transfers') {
    return transfers(question.file, question.sha256, question.count, question.atOnce);
  }
  if (question.do === 'hold') return hold(question.count);
  if (question.do === 'again') return again();
  for (const { socket } of held.splice(0)) socket.destroy();
  return {};
};

console.log('{}');
for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line) as Question;
  const said = await answer(question).catch((error: Error) => ({ error: error.message }));
  console.log(JSON.stringify(said));
}
process.exit(0);
