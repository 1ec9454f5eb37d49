import type { Duplex } from 'node:stream';
import { cut } from './cut.ts';
import type { OpenedFlow } from './flow.ts';
import type { Moved } from './flow-request.ts';
import type { Meter } from './meter.ts';

/**
 * Moves bytes both ways until both sides have ended. From the origin they go by the tap, without a
 * Readable in between (see docs/tunnel.md for what that saves). Half-close is kept: the end of one
 * direction says nothing about the other. A reset is passed on as a reset.
 */
export const relay = (options: {
  /** The client's side: an HTTP/2 stream, or the socket of an HTTP/1.1 CONNECT. */
  carrier: Duplex;
  resetCarrier: () => void;
  /** True when the client's side ended otherwise than in order. */
  wasCut: () => boolean;
  flow: OpenedFlow;
  meter: Meter;
}): void => {
  const { carrier, flow, meter } = options;
  const origin = flow.socket;
  const moved: Moved = { upBytes: 0, downBytes: 0 };
  let openSides = 2;
  let originFailed = false;
  // Where the device's bytes a second are limited, a direction waits until it has earned more.
  const up = { isHeld: false, resume: () => carrier.resume() };
  const down = { isHeld: false, resume: () => origin.resume() };
  const goesOn = (direction: typeof up | typeof down, bytes: number): boolean => {
    if (flow.pace === undefined || flow.pace.spend(bytes)) return true;
    direction.isHeld = true;
    flow.pace.whenFree(() => {
      direction.isHeld = false;
      direction.resume();
    });
    return false;
  };
  const closed = () => {
    openSides -= 1;
    if (openSides === 0) flow.done(moved);
  };

  carrier.on('data', (chunk: Buffer) => {
    if (moved.upBytes === 0) moved.firstUpMs = performance.now();
    moved.upBytes += chunk.length;
    meter.up(chunk.length);
    const mayGoOn = origin.write(chunk);
    if (!goesOn(up, chunk.length) || !mayGoOn) carrier.pause();
  });
  origin.on('drain', () => up.isHeld || carrier.resume());
  carrier.on('drain', () => down.isHeld || origin.resume());
  // Node's HTTP/2 sends END_STREAM ahead of a reset and ends the reader of a reset stream as if all
  // had come: a turn of the loop lets the reset be seen before the end is passed on.
  carrier.on('end', () =>
    setImmediate(() => {
      if (options.wasCut()) cut(origin);
      else origin.end();
    }),
  );
  origin.on('end', () => carrier.end());
  // Which error it was does not matter: 'close' follows.
  carrier.on('error', () => {});
  origin.on('error', () => {
    originFailed = true;
  });
  origin.on('close', () => {
    if (originFailed && !carrier.closed) options.resetCarrier();
    closed();
  });
  carrier.on('close', () => {
    if (options.wasCut() || !hasEnded(carrier)) cut(origin);
    closed();
  });
  flow.tap.attach((chunk, release) => {
    if (carrier.destroyed || carrier.writableEnded) return true;
    if (moved.downBytes === 0) moved.firstDownMs = performance.now();
    moved.downBytes += chunk.length;
    meter.down(chunk.length);
    const mayGoOn = carrier.write(chunk, release);
    return goesOn(down, chunk.length) && mayGoOn;
  });
};

/** Both directions ended in order; otherwise the client went away in the middle. */
const hasEnded = (carrier: Duplex): boolean => carrier.readableEnded && carrier.writableFinished;
