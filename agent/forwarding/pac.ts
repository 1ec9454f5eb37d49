import type { ForwardingPolicy } from '#contract/policy.ts';

/**
 * The PAC file browsers fetch from the proxy itself. It sends everything to the agent, which
 * decides; only when the organisation says `open` may a browser go around an agent that is gone.
 */
export const makePac = (
  proxy: { host: string; port: number },
  policy: Pick<ForwardingPolicy, 'mode' | 'whenTunnelDown'>,
): string => {
  const address = `${proxy.host.includes(':') ? `[${proxy.host}]` : proxy.host}:${proxy.port}`;
  const fallback = policy.whenTunnelDown === 'open' ? '; DIRECT' : '';
  const answer = policy.mode === 'off' ? 'DIRECT' : `PROXY ${address}${fallback}`;
  return `function FindProxyForURL(url, host) {\n  return ${JSON.stringify(answer)};\n}\n`;
};
