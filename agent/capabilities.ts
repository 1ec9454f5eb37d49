import { existsSync } from 'node:fs';
import { homedir, platform } from 'node:os';
import { failureFacts } from '#contract/failure.ts';
import { findBrowser } from '#probes/page-load/find-browser.ts';
import { findTrustProblem } from '#probes/page-load/trust.ts';
import type { AgentStatus } from './status.ts';

/** What depends on the machine: a browser, and the right to send ICMP. */
export const readCapabilities = (parts: {
  browserPath: string | undefined;
  hasExtraCa: boolean;
  echoProblem: string | null | undefined;
}): AgentStatus['capabilities'] => {
  const browser = findBrowser({
    configured: parts.browserPath,
    platform: platform(),
    home: homedir(),
    exists: existsSync,
  });
  const trust = findTrustProblem({ platform: platform(), exists: existsSync });
  return [
    { name: 'page loads', problem: browser === undefined ? describeMissing(parts) : null },
    ...(parts.hasExtraCa && browser !== undefined
      ? [{ name: 'page loads under a private CA', problem: trust ?? null }]
      : []),
    { name: 'raw ICMP', problem: describeEcho(parts.echoProblem) },
  ];
};

const describeMissing = ({ browserPath }: { browserPath: string | undefined }): string => {
  const configured = browserPath === undefined ? '' : `${browserPath} is not there. `;
  return `no browser: ${configured}${failureFacts['browser.missing'].action}`;
};

const describeEcho = (problem: string | null | undefined): string | null => {
  if (problem === undefined) return 'not tried yet: no default gateway was measured';
  return problem === null ? null : `${problem}. ${failureFacts['path.not_permitted'].action}`;
};
