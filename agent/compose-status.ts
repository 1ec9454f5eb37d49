import type { DeviceConfig } from '#contract/policy.ts';
import type { ConfigSync } from '#runtime/config-sync.ts';
import type { IdentityHolder } from '#runtime/identity.ts';
import type { Shipper } from '#runtime/shipper.ts';
import type { Spool } from '#runtime/spool.ts';
import packageFile from '../package.json' with { type: 'json' };
import { readCapabilities } from './capabilities.ts';
import type { AgentProgramConfig } from './config.ts';
import type { NetworkWatch } from './control/network-state.ts';
import type { GatewayMeter } from './device/gateway.ts';
import type { EnforcementHolder } from './enforcement/enforcement.ts';
import type { Forwarding } from './forward.ts';
import type { Measuring } from './measuring.ts';
import type { OnDemand } from './on-demand/on-demand.ts';
import type { RunLedger } from './run-ledger.ts';
import type { AgentStatus } from './status.ts';
import type { Bursts } from './suspicion/bursts.ts';

/** The agent's parts asked one by one. */
export const composeStatus = (parts: {
  ledger: RunLedger;
  spool: Spool;
  shipper: Shipper;
  config: AgentProgramConfig;
  startedAt: number;
  identity: IdentityHolder;
  sync: ConfigSync<DeviceConfig> | undefined;
  forwarding: Forwarding;
  network: NetworkWatch;
  enforcement: EnforcementHolder;
  measuring: Measuring;
  onDemand: Pick<OnDemand, 'requests'>;
  bursts: Pick<Bursts, 'status'> | undefined;
  gatewayMeter: GatewayMeter;
  systemProxy: AgentStatus['forwarding']['systemProxy'];
}): AgentStatus => {
  const { config, identity, sync, forwarding, network, measuring, shipper, spool, ledger } = parts;
  const at = Date.now();
  const policy = sync?.current();
  const { tornCount: _, ...room } = spool.status();
  const { acknowledgedCount: __, ...shipping } = shipper.status();
  const { proxy, socks } = forwarding;
  const capture = forwarding.capture();
  const found = network.current();
  return {
    version: 1,
    at,
    program: { version: packageFile.version, pid: process.pid, startedAt: parts.startedAt },
    device: { id: identity.current().id, name: config.name },
    certificate: { notAfter: identity.current().notAfter },
    collectorUrl: config.collectorUrl,
    enforcement: parts.enforcement.current(),
    policy: {
      revision: policy?.revision ?? null,
      issuedAt: policy?.issuedAt ?? null,
      mode: policy?.forwarding.mode ?? null,
      ...(sync?.status() ?? { confirmedAt: null, problem: null }),
    },
    tunnel: forwarding.tunnel.status(),
    forwarding: {
      proxy,
      socks,
      pacUrl: `http://${proxy.host.includes(':') ? `[${proxy.host}]` : proxy.host}:${proxy.port}/proxy.pac`,
      decisions: forwarding.decisions(),
      pac: forwarding.pac(),
      ...(parts.systemProxy === undefined ? {} : { systemProxy: parts.systemProxy }),
      ...(capture === undefined ? {} : { capture }),
    },
    network: { state: found.state, reason: found.reason, place: forwarding.network() },
    probes: measuring.probes().map(({ probe, isRunning, nextRunInMs, last }) => ({
      id: probe.id,
      appId: probe.appId,
      type: probe.type,
      via: probe.via,
      intervalMs: probe.intervalMs,
      isRunning,
      nextRunAt: at + nextRunInMs,
      last:
        last === null
          ? null
          : {
              at: last.startedAt,
              durationMs: last.durationMs,
              availability: last.availability,
              failure: last.failure?.type ?? null,
              distortion: last.distortion,
            },
    })),
    lateness: measuring.lateness(),
    requests: parts.onDemand.requests(),
    ...burstStatus(parts.bursts),
    shipping: { ...room, ...shipping },
    missed: ledger.totals(),
    capabilities: readCapabilities({
      browserPath: config.browserPath,
      hasExtraCa: config.extraCaFiles.length > 0,
      echoProblem: parts.gatewayMeter.notPermitted(),
    }),
  };
};

const burstStatus = (
  bursts: Pick<Bursts, 'status'> | undefined,
): Pick<AgentStatus, 'lastBurst' | 'burstsToday'> => {
  const status = bursts?.status();
  return status === undefined ? {} : { lastBurst: status.last, burstsToday: status.today };
};
