import type { TSchema } from '@sinclair/typebox';
import type { Command } from 'commander';
import { schemaSet, standAlone } from '#contract/schema-set.ts';
import { ReplayHeader } from './replay/header.ts';
import { UsageError } from './usage-error.ts';

const about = `
Names: a message's (result-http, sample-tunnel, verdict, …) or, of a recording's lines (docs/replay.md),
what stands in "type" or "kind": header, http, path, page-load, tunnel, device, edge, onward, incident.
Without a name: the list. A recording may leave out more than the schema says: see docs/replay.md.`;

export const registerSchema = (program: Command): void => {
  program
    .command('schema')
    .description('the JSON Schema of a message, a recording’s line or a verdict')
    .argument('[name]', 'which one; all names without it')
    .addHelpText('after', about)
    .action((name: string | undefined) => {
      console.log(name === undefined ? Object.keys(schemas).join('\n') : schemaText(name));
    });
};

const schemas: Readonly<Record<string, TSchema>> = { header: ReplayHeader, ...schemaSet };

/** A result is told by its type, a sample by its kind. */
const prefixes = ['', 'result-', 'sample-'];

const schemaText = (name: string): string => {
  const full = prefixes
    .map((prefix) => `${prefix}${name}`)
    .find((one) => Object.hasOwn(schemas, one));
  const schema = full === undefined ? undefined : schemas[full];
  if (full === undefined || schema === undefined) {
    throw new UsageError(
      `there is no schema ${name}; there are ${Object.keys(schemas).join(', ')}`,
    );
  }
  return JSON.stringify(standAlone(full, schema), null, 2);
};
