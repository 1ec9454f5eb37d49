import { accessSync, constants, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Artefact } from '#probes/probe.ts';
import { UsageError } from '../usage-error.ts';

/** Where a run by hand puts what it made. */
export type ArtefactFiles = { har?: string; screenshot?: string };

/** Before anything is measured: what could not be kept is not made. */
export const checkArtefactFiles = (files: ArtefactFiles): void => {
  for (const kind of ['har', 'screenshot'] as const) {
    const path = files[kind];
    if (path === undefined) continue;
    const folder = dirname(path);
    try {
      if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw new Error('is a folder');
      if (!statSync(folder).isDirectory()) throw new Error(`${folder} is no folder`);
      accessSync(folder, constants.W_OK);
    } catch (error) {
      throw new UsageError(`--${kind} ${path}: ${(error as Error).message}`);
    }
  }
};

/** Of several runs the last one's stays. */
export const writeArtefacts = (artefacts: readonly Artefact[], files: ArtefactFiles): void => {
  for (const kind of ['har', 'screenshot'] as const) {
    const path = files[kind];
    if (path === undefined) continue;
    const artefact = artefacts.find((one) => one.kind === kind);
    if (artefact === undefined) console.error(`--${kind} ${path}: the page gave none`);
    else write(`--${kind}`, path, artefact.bytes);
  }
};

/** For its owner: it shows what a signed-in person sees. */
const write = (option: string, path: string, bytes: Uint8Array): void => {
  try {
    writeFileSync(path, bytes, { mode: 0o600 });
  } catch (error) {
    throw new UsageError(`${option} ${path}: ${(error as Error).message}`);
  }
};
