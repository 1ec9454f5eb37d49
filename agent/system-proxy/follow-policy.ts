import type { NetworkType } from '#contract/forwarding.ts';
import type { ForwardingPolicy } from '#contract/policy.ts';
import type { Log } from '#runtime/log.ts';
import { createSystemProxy, type SystemProxy } from './system-proxy.ts';
import { type SystemProxySetting, wantedProxy } from './wanted.ts';

/** The system's proxy as setting, policy and network have it; `review` when one of them is another. */
export const followPolicy = (parts: {
  setting: SystemProxySetting | undefined;
  stateFolder: string;
  policy: () => ForwardingPolicy | undefined;
  network: () => NetworkType;
  proxy: { host: string; port: number };
  socks: { host: string; port: number };
  onChange: (reason: string) => void;
  log: Log;
}): Pick<SystemProxy, 'status' | 'stop'> & { review(): Promise<void> } => {
  const { setting = 'off', proxy, socks } = parts;
  const system = createSystemProxy(parts);
  return {
    review: () =>
      system.want(
        wantedProxy({ setting, policy: parts.policy(), network: parts.network(), proxy, socks }),
      ),
    status: system.status,
    stop: system.stop,
  };
};
