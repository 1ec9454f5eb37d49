import { Type } from '@sinclair/typebox';
import { contractVersion, jsonSchema, type SchemaName, schemaSet } from '#contract/schema-set.ts';
import { answers } from './answers.ts';
import type { App } from './app.ts';
import type { OpenApiDocument } from './openapi.ts';
import { Problem } from './problems.ts';

const names = Object.keys(schemaSet) as SchemaName[];

/** The contract, for other programs to read: JSON Schema of each message, OpenAPI of all routes. */
export const registerSchemaRoutes = (app: App, openApi: () => OpenApiDocument): void => {
  app.get(
    '/v1/schemas',
    {
      schema: {
        tags: ['schemas'],
        summary: 'The messages that cross a wire',
        response: answers(
          Type.Object({ contractVersion: Type.Integer(), names: Type.Array(Type.String()) }),
          'Names, each to be had under /v1/schemas/{name}',
        ),
      },
    },
    async () => ({ contractVersion, names }),
  );

  app.get(
    '/v1/schemas/:name',
    {
      schema: {
        tags: ['schemas'],
        summary: 'One message as JSON Schema 2020-12',
        params: Type.Object({ name: Type.String({ maxLength: 100 }) }),
        response: answers(Type.Unknown(), 'JSON Schema'),
      },
    },
    async (request, reply) => {
      const name = names.find((each) => each === request.params.name);
      if (!name) throw new Problem('not-found', { detail: 'no such schema: see /v1/schemas' });
      return reply.type('application/schema+json').send(jsonSchema(name));
    },
  );

  app.get(
    '/openapi.json',
    { schema: { tags: ['schemas'], response: answers(Type.Unknown(), 'OpenAPI 3.1') } },
    async () => openApi(),
  );
};
