import { Worker } from 'node:worker_threads';

/**
 * A worker thread that runs a TypeScript file. tsx given by `--import` looks after the main thread
 * only (Node 20), so the worker registers it for itself first.
 */
export const startTypeScriptWorker = (file: URL, workerData: unknown): Worker => {
  const loader = import.meta.resolve('tsx/esm/api');
  const script = `import(${JSON.stringify(loader)}).then(({ register }) => {
    register();
    return import(${JSON.stringify(file.href)});
  });`;
  return new Worker(script, { eval: true, workerData });
};
