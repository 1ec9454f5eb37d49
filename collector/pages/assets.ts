import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** One file a page loads. */
export type Asset = { type: string; content: Buffer };

export type Assets = { version: string; files: ReadonlyMap<string, Asset> };

const own = ['app.css', 'app.js', 'charts.js', 'filter.js', 'morph.js', 'icon.svg'] as const;
const borrowed = { 'uplot.css': 'uPlot.min.css', 'uplot.js': 'uPlot.esm.js' } as const;

const types: Record<string, string> = {
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
};

/**
 * Everything the pages load, read once. `version` is a hash over all of it and part of every
 * address, so that answers may be kept for ever and modules import each other relatively.
 */
export const readAssets = (): Assets => {
  const { resolve } = createRequire(import.meta.url);
  const files = new Map<string, Asset>();
  const add = (name: string, path: string | URL) =>
    files.set(name, {
      type: types[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream',
      content: readFileSync(path),
    });
  for (const name of own) add(name, new URL(`./assets/${name}`, import.meta.url));
  for (const [name, file] of Object.entries(borrowed)) add(name, resolve(`uplot/dist/${file}`));
  const hash = createHash('sha256');
  for (const [name, { content }] of files) hash.update(name).update(content);
  return { version: hash.digest('base64url').slice(0, 12), files };
};
