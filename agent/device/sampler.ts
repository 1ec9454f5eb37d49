import { randomUUID } from 'node:crypto';
import { loadavg, platform } from 'node:os';
import type { DeviceSample } from '#contract/telemetry.ts';
import { startLoopDelayMeter } from '#runtime/clock.ts';
import { busyRatio, readCpuTimes } from './cpu.ts';
import type { Gateway, GatewayMeter } from './gateway.ts';
import {
  firstExternalInterface,
  readLink,
  readSignalDbm,
  readTraffic,
  type TrafficCounters,
} from './link.ts';
import { readMemoryUsedRatio } from './memory.ts';
import { type DefaultRoute, readDefaultRoute } from './route.ts';
import { siteIdOf } from './site.ts';

export type DeviceSampler = {
  /** What happened since the last call. Reads a handful of /proc and /sys files and waits for none. */
  take(): DeviceSample;
  /** Measures the way to the gateway, for the next sample. */
  measureGateway(): Promise<void>;
  stop(): void;
};

/** The device by its system's own counters. */
export const startDeviceSampler = (parts: {
  deviceId: string;
  gatewayMeter: GatewayMeter;
  /** Of the organisation; undefined: the collector takes neither site nor signal. */
  siteKey?: () => string | undefined;
  spoolBytes: () => number;
}): DeviceSampler => {
  const loop = startLoopDelayMeter();
  let gateway: Gateway | null = null;
  let before = readCounters();

  const take = (): DeviceSample => {
    const now = readCounters();
    const route = readDefaultRoute();
    const traffic = trafficSince(before, now);
    const siteKey = parts.siteKey?.();
    const sample: DeviceSample = {
      kind: 'device',
      id: randomUUID(),
      deviceId: parts.deviceId,
      at: Date.now(),
      cpuRatio: busyRatio(before.cpu, now.cpu),
      memoryUsedRatio: readMemoryUsedRatio(),
      // Windows has no load average; Node says 0 there.
      load1: platform() === 'win32' ? null : (loadavg()[0] ?? null),
      eventLoopDelayMs: Math.min(loop.takeMs(), 86_400_000),
      receivedBytes: traffic?.receivedBytes ?? null,
      sentBytes: traffic?.sentBytes ?? null,
      link: linkOf(now.interfaceName, siteKey !== undefined),
      gateway: withSite(gatewayOf(route, gateway), siteKey),
      agentCpuRatio: agentCpuRatio(before, now),
      agentMemoryBytes: process.memoryUsage.rss(),
      spoolBytes: parts.spoolBytes(),
    };
    before = now;
    gateway = null;
    return sample;
  };

  return {
    take,
    measureGateway: async () => {
      const address = readDefaultRoute()?.gateway;
      if (address != null) gateway = await parts.gatewayMeter.measure(address);
    },
    stop: () => loop.stop(),
  };
};

const linkOf = (name: string | null, mayHaveSignal: boolean): DeviceSample['link'] => {
  if (name === null) return null;
  const link = readLink(name);
  if (link.type !== 'wifi' || !mayHaveSignal) return link;
  return { ...link, signalDbm: readSignalDbm(name) };
};

const withSite = (gateway: Gateway | null, siteKey: string | undefined): Gateway | null => {
  if (gateway === null || siteKey === undefined) return gateway;
  const siteId = siteIdOf(gateway.address, siteKey);
  return siteId === undefined ? gateway : { ...gateway, siteId };
};

type Counters = {
  atMs: number;
  cpu: ReturnType<typeof readCpuTimes>;
  agentCpu: NodeJS.CpuUsage;
  interfaceName: string | null;
  traffic: TrafficCounters | null;
};

const readCounters = (): Counters => {
  const interfaceName = readDefaultRoute()?.interfaceName ?? firstExternalInterface();
  return {
    atMs: performance.now(),
    cpu: readCpuTimes(),
    agentCpu: process.cpuUsage(),
    interfaceName,
    traffic: interfaceName === null ? null : readTraffic(interfaceName),
  };
};

/** Null over a change of interface, and when an interface came up anew and counts from 0. */
const trafficSince = (before: Counters, now: Counters): TrafficCounters | null => {
  if (before.interfaceName !== now.interfaceName) return null;
  if (before.traffic === null || now.traffic === null) return null;
  const receivedBytes = now.traffic.receivedBytes - before.traffic.receivedBytes;
  const sentBytes = now.traffic.sentBytes - before.traffic.sentBytes;
  return receivedBytes < 0 || sentBytes < 0 ? null : { receivedBytes, sentBytes };
};

const agentCpuRatio = (before: Counters, now: Counters): number | null => {
  const elapsedMs = now.atMs - before.atMs;
  if (elapsedMs <= 0) return null;
  const user = now.agentCpu.user - before.agentCpu.user;
  const system = now.agentCpu.system - before.agentCpu.system;
  return (user + system) / 1_000 / elapsedMs;
};

/** A measurement only counts for the gateway there is now. */
const gatewayOf = (route: DefaultRoute | null, measured: Gateway | null): Gateway | null => {
  if (route?.gateway == null) return null;
  return measured?.address === route.gateway
    ? measured
    : { address: route.gateway.slice(0, 64), rttMs: null, lossRatio: null };
};
