import { createPageLoadProber } from '#probes/page-load/page-load.ts';
import { startOrigin } from '#test/support/origin.ts';

/**
 * Loads a small page so many times in this process, every `failEvery`th in one of the ways in which
 * pages fail; gives each outcome to `tell`.
 */
export const loadPages = async (options: {
  runs: number;
  failEvery: number;
  workFolder: string;
  tell?: (run: number, failureType: string | null) => void;
}): Promise<void> => {
  const origin = await startOrigin();
  const icon = '<!doctype html><link rel="icon" href="data:,">';
  origin.on('/page', { body: `${icon}<p>a page</p><img src="/p.svg">` });
  origin.on('/p.svg', {
    headers: { 'content-type': 'image/svg+xml' },
    body: '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>',
  });
  origin.on('/hang.svg', { fault: 'hang' });
  const failing = {
    hanging: `${icon}<img src="/hang.svg">`,
    spinning: `${icon}<script>for (;;);</script>`,
    round: `${icon}<script>location = "/round?" + Math.random()</script>`,
    nagging: `${icon}<script>for (;;) alert(1)</script>`,
  };
  for (const [name, body] of Object.entries(failing)) origin.on(`/${name}`, { body });
  const paths = ['/page', ...Object.keys(failing).map((name) => `/${name}`), '/refused'];
  origin.on('/refused', { fault: 'reset' });
  const prober = createPageLoadProber();
  try {
    for (let run = 1; run <= options.runs; run++) {
      const isFailing = run % options.failEvery === 0;
      const nth = Math.floor(run / options.failEvery) - 1;
      const path = isFailing ? (paths[1 + (nth % (paths.length - 1))] ?? '/page') : '/page';
      const { failure } = await prober.run(
        {
          type: 'page-load',
          id: 'page-load',
          appId: 'app',
          via: 'direct',
          intervalMs: 60_000,
          // Twenty navigations take their time; the others fail by it.
          timeoutMs: isFailing && path !== '/round' ? 1_500 : 30_000,
          url: `${origin.url}${path}`,
        },
        {
          signal: new AbortController().signal,
          proxy: undefined,
          extraCa: [],
          workFolder: options.workFolder,
          browserPath: undefined,
        },
      );
      options.tell?.(run, failure?.type ?? null);
    }
  } finally {
    await prober.stop();
    await origin.stop();
  }
};
