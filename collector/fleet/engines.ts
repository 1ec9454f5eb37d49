import type { Facts } from '#collector/diagnose/fleet/reading.ts';
import type { Log } from '#runtime/log.ts';
import type { EngineRows, ShardRow } from '../control/engine-rows.ts';
import type { FleetEngine, MakeEngine } from './engine.ts';
import type { FactsReader } from './facts.ts';

/** An engine and where it stands. */
export type Held = {
  engine: FleetEngine;
  /** Newest bin it has closed. */
  bin: number;
  /** Batches stored until then are in it. */
  readAt: number;
  /** When bins were read, of the newest: what was stored before was read with them. */
  reads: Map<number, number>;
  /** Late batches of a moment ago, which another may still join; absent: it begins. */
  lateSeen?: Map<string, number>;
  checkpointBin: number;
  /** What it was told of the fleet last. */
  facts: Facts;
};

/**
 * The engines of this collector, by shard. One that stayed in memory goes on only where nobody else
 * went on meanwhile; else the shard's checkpoint is where it begins, or the past that is stored.
 */
export const createEngines = (parts: {
  make: MakeEngine;
  rows: EngineRows;
  readFacts: FactsReader;
  binMs: number;
  worker: string;
  log: Log;
}) => {
  const { rows, binMs, worker, log } = parts;
  const held = new Map<string, Held>();

  const begin = async (bin: number, readAt: number, saved?: Uint8Array): Promise<Held> => {
    const facts = await parts.readFacts();
    const engine = await parts.make({ binMs, facts }, saved);
    const checkpointBin = saved === undefined ? -1 : bin;
    return { engine, bin, readAt, reads: new Map(), checkpointBin, facts };
  };

  const restore = async (shard: string, from: { bin: number; readAt: number }): Promise<Held> => {
    const checkpoint = await rows.checkpoint(shard);
    if (checkpoint === undefined || checkpoint.binMs !== binMs) return begin(from.bin, from.readAt);
    try {
      return await begin(checkpoint.bin, checkpoint.readAt, checkpoint.bytes);
    } catch (error) {
      log.warn({ shard, err: error }, 'checkpoint not read: the engine begins anew from the store');
      return begin(from.bin, from.readAt);
    }
  };

  const drop = async (shard: string): Promise<void> => {
    const one = held.get(shard);
    held.delete(shard);
    await one?.engine.stop();
  };

  const informed = async (one: Held): Promise<Held> => {
    const facts = await parts.readFacts();
    if (facts !== one.facts) await one.engine.learn(facts);
    one.facts = facts;
    return one;
  };

  return {
    /** Whether there is anything to go on from: an engine here, or a checkpoint. */
    async hasPast(shard: string): Promise<boolean> {
      return held.has(shard) || (await rows.hasCheckpoint(shard));
    },

    /** `from`: where one without a past begins. `row`: the shard as it was before it was taken. */
    async of(
      shard: string,
      row: ShardRow | undefined,
      from: { bin: number; readAt: number },
    ): Promise<Held> {
      const known = held.get(shard);
      if (known && row?.worker === worker && row.bin === known.bin) return informed(known);
      await drop(shard);
      const one = await restore(shard, from);
      held.set(shard, one);
      return one;
    },

    /** After an error nobody knows what it has seen. */
    drop,

    async save(shard: string, nowMs: number): Promise<void> {
      const one = held.get(shard);
      if (one === undefined || one.checkpointBin === one.bin) return;
      const { bin, readAt } = one;
      await rows.saveCheckpoint(
        shard,
        { binMs, bin, readAt, bytes: await one.engine.save() },
        nowMs,
      );
      one.checkpointBin = bin;
    },

    async stop(): Promise<void> {
      await Promise.all([...held.keys()].map(drop));
    },
  };
};

export type Engines = ReturnType<typeof createEngines>;
