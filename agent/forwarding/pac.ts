import { fillPac, type PacValues } from '#contract/pac.ts';
import type { ForwardingPolicy } from '#contract/policy.ts';

/**
 * The PAC file browsers fetch from the proxy itself: the organisation's own, where it has one. The
 * other sends everything to the agent, which decides; only when the organisation says `open` may a
 * browser go around an agent that is gone.
 */
export const makePac = (
  proxy: { host: string; port: number },
  policy: Pick<ForwardingPolicy, 'mode' | 'whenTunnelDown'> & { pac?: { forwarding?: string } },
  values?: PacValues,
): string => {
  const own = policy.pac?.forwarding;
  if (policy.mode !== 'off' && own !== undefined && values !== undefined)
    return fillPac(own, values);
  const address = `${proxy.host.includes(':') ? `[${proxy.host}]` : proxy.host}:${proxy.port}`;
  const fallback = policy.whenTunnelDown === 'open' ? '; DIRECT' : '';
  const answer = policy.mode === 'off' ? 'DIRECT' : `PROXY ${address}${fallback}`;
  return `function FindProxyForURL(url, host) {\n  return ${JSON.stringify(answer)};\n}\n`;
};
