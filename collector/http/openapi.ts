import swagger from '@fastify/swagger';
import { contractVersion } from '#contract/schema-set.ts';
import type { App } from './app.ts';

type Json = Record<string, unknown>;

export type OpenApiDocument = {
  openapi: string;
  paths: Record<string, Json>;
  components: { schemas?: Json };
} & Json;

/** Collects the routes that are added after this call into an OpenAPI 3.1 document. */
export const describeRoutes = async (app: App, title: string): Promise<() => OpenApiDocument> => {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title, version: `${contractVersion}` },
      components: {
        securitySchemes: {
          operatorToken: { type: 'http', scheme: 'bearer' },
          session: { type: 'apiKey', in: 'cookie', name: 'whyslow_session' },
          clientCertificate: { type: 'mutualTLS' } as never,
        },
      },
    },
    hideUntagged: true,
    transform: ({ schema, url }) => ({ schema: named(plain(schema)) as never, url }),
  });
  return () => hoist(plain(app.swagger()) as OpenApiDocument);
};

/** One document for both listeners; each path says at which server it is found. */
export const joinDocuments = (
  parts: readonly { document: OpenApiDocument; url: string; description: string }[],
): OpenApiDocument => {
  const [first] = parts;
  if (!first) throw new Error('no documents to join');
  const paths: OpenApiDocument['paths'] = {};
  const schemas: Json = {};
  for (const { document, url, description } of parts) {
    Object.assign(schemas, document.components.schemas);
    for (const [path, item] of Object.entries(document.paths)) {
      paths[path] = { ...item, servers: [{ url, description }] };
    }
  }
  return { ...first.document, paths, components: { ...first.document.components, schemas } };
};

const plain = (value: unknown): unknown =>
  value === undefined ? undefined : JSON.parse(JSON.stringify(value));

/** `$id` would make the generator look for references; the name travels under a key of our own. */
const named = (value: unknown): unknown =>
  mapObjects(value, ({ $id, ...rest }) =>
    typeof $id === 'string' ? { ...rest, 'x-name': $id } : { ...rest, ...($id ? { $id } : {}) },
  );

/** Named schemas move to `components` and are referred to, however often they are used. */
const hoist = (document: OpenApiDocument): OpenApiDocument => {
  const schemas: Json = {};
  const hoisted = mapObjects(document, (object) => {
    const { 'x-name': name, ...rest } = object;
    if (typeof name !== 'string') return object;
    schemas[name] = rest;
    return { $ref: `#/components/schemas/${name}` };
  }) as OpenApiDocument;
  return { ...hoisted, components: { ...hoisted.components, schemas } };
};

/** Depth first, so that what is inside a named schema is done before it. */
const mapObjects = (value: unknown, change: (object: Json) => Json): unknown => {
  if (Array.isArray(value)) return value.map((item) => mapObjects(item, change));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, mapObjects(inner, change)]);
  return change(Object.fromEntries(entries) as Json);
};
