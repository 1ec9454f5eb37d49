import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import { openLibc } from '#runtime/kernel/libc.ts';
import { createReplySockets } from '#runtime/kernel/reply-sockets.ts';
import { waitUntil } from '#test/support/wait-until.ts';

const libc = await openLibc();

it.runIf(libc !== undefined)(
  'an answer that comes late, of a flow that has ended or after all, opens no socket',
  async () => {
    if (!libc) return;
    const client = createSocket('udp4').bind(0, '127.0.0.1');
    onTestFinished(() => void client.close());
    const received: string[] = [];
    client.on('message', (bytes) => received.push(String(bytes)));
    await once(client, 'listening');
    const open = new Set<number>();
    let openedCount = 0;
    const replies = createReplySockets(
      {
        send: libc.send,
        close: (descriptor) => {
          open.delete(descriptor);
          libc.close(descriptor);
        },
      },
      (address) => {
        const descriptor = libc.socket(2, 2, 0);
        libc.bind(descriptor, address);
        open.add(descriptor);
        openedCount += 1;
        return descriptor;
      },
    );
    onTestFinished(() => replies.stop());
    const flow = addressOf(client.address().port) + addressOf(0);
    const answer = (text: string) => replies.send(flow, [Buffer.from(text)]);

    answer('unasked');
    replies.begin(flow);
    answer('one');
    replies.begin(flow);
    answer('two');
    replies.end(flow);
    answer('late');
    expect([openedCount, open.size]).toEqual([1, 0]);
    replies.begin(flow);
    answer('again');
    expect([openedCount, open.size]).toEqual([2, 1]);
    replies.stop();
    replies.begin(flow);
    answer('after all');
    expect([openedCount, open.size]).toEqual([2, 0]);
    await waitUntil(() => received.length === 3);
    expect(received).toEqual(['one', 'two', 'again']);
  },
);

/** struct sockaddr_in of loopback, as a flow's key has it. */
const addressOf = (port: number): string => {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(2, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set([127, 0, 0, 1], 4);
  return bytes.toString('latin1');
};
