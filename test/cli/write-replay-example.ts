import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { exampleFile, exampleLines, saidFile } from './replay-example.ts';

/** Writes both files anew: `npx tsx test/cli/write-replay-example.ts`, when the engine has learned. */
mkdirSync(dirname(exampleFile), { recursive: true });
writeFileSync(exampleFile, `${exampleLines().join('\n')}\n`);
const whyslow = new URL('../../bin/whyslow.mjs', import.meta.url).pathname;
writeFileSync(
  saidFile,
  execFileSync(process.execPath, [whyslow, 'diagnose', '--replay', exampleFile], {
    maxBuffer: 50_000_000,
  }),
);
