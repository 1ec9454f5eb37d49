import { Duplex } from 'node:stream';

/**
 * A stream for Node's HTTP client to write on. An HTTP/2 stream taken directly garbles a request
 * with a body: header text and body bytes go out in one vectored write, and Node 20 mixes them up.
 * Here all writes are bytes, one at a time.
 */
export const asByteStream = (stream: Duplex): Duplex => {
  const bytes = new Duplex({
    read: () => {
      stream.resume();
    },
    write: (chunk: Buffer, _encoding, done) => {
      stream.write(chunk, done);
    },
    final: (done) => {
      stream.end(done);
    },
    destroy: (error, done) => {
      stream.destroy();
      done(error);
    },
  });
  // After an upgrade Node's client listens no more, and the stream still reports its end.
  bytes.on('error', () => {});
  stream.on('data', (chunk: Buffer) => {
    if (!bytes.push(chunk)) stream.pause();
  });
  stream.on('end', () => bytes.push(null));
  stream.on('error', (error) => bytes.destroy(error));
  stream.on('close', () => {
    if (!stream.readableEnded) bytes.destroy(new Error('connection lost'));
  });
  return bytes;
};
