import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { PageLoadBody } from '#contract/body/page-load.ts';
import { check } from '#contract/check.ts';
import { type PageStepSpec, planSteps } from '#contract/page-step.ts';
import type { PageLoadProbe } from '#contract/plan.ts';
import { createPageLoadProber } from '#probes/page-load/page-load.ts';
import type { Outcome, ProbeContext } from '#probes/probe.ts';
import { createTestAuthority } from '#test/support/certificates.ts';
import { startOrigin } from '#test/support/origin.ts';

type Wanted = Partial<Pick<PageLoadProbe, 'timeoutMs' | 'har' | 'screenshot'>> & {
  steps?: PageStepSpec[];
};

/** A site (over plain HTTP unless `secure`) and a prober for its pages; every outcome is held against the contract. */
export const startPageRunner = async ({ secure = false } = {}) => {
  const authority = secure ? await createTestAuthority() : undefined;
  const workFolder = await mkdtemp(join(tmpdir(), 'whyslow-page-'));
  const origin = await startOrigin(authority === undefined ? {} : { authority });
  const logged: string[] = [];
  const note = (fields: object, message: string) => {
    logged.push(`${message} ${JSON.stringify(fields)}`);
  };
  const prober = createPageLoadProber({ log: { debug: note, warn: note } });
  return {
    origin,
    workFolder,
    logged,
    /** A page of this site; its address. */
    page(path: string, body: string, status = 200): string {
      origin.on(path, {
        status,
        body: `<!doctype html><title>${path.slice(1)}</title><link rel="icon" href="data:,">${body}`,
      });
      return `${origin.url}${path}`;
    },
    async run(
      url: string,
      { steps, ...wanted }: Wanted = {},
      context: Partial<ProbeContext> = {},
    ): Promise<Outcome<'page-load'>> {
      const outcome = await prober.run(
        {
          type: 'page-load',
          id: 'page-load',
          appId: 'app',
          via: context.proxy === undefined ? 'direct' : 'tunnel',
          intervalMs: 60_000,
          timeoutMs: 20_000,
          url,
          ...(steps === undefined ? {} : { steps: planSteps(steps) }),
          ...wanted,
        },
        {
          signal: new AbortController().signal,
          proxy: undefined,
          extraCa: authority === undefined ? [] : [authority.certificatePem],
          workFolder,
          browserPath: undefined,
          ...context,
        },
      );
      expect(check(PageLoadBody, outcome.body)).toMatchObject({ ok: true });
      return outcome;
    },
    async stop(): Promise<void> {
      await prober.stop();
      await origin.stop();
      await rm(workFolder, { recursive: true, force: true });
    },
  };
};

export type PageRunner = Awaited<ReturnType<typeof startPageRunner>>;
