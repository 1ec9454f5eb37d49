import { Type } from '@sinclair/typebox';
import type { FastifyRequest } from 'fastify';
import { Organisation } from '#contract/organisation.ts';
import { Count, Text } from '#contract/scalar.ts';
import { answers, EpochMsOrZero, ListOf } from '../http/answers.ts';
import { type App, invalidFields, validatorCompiler } from '../http/app.ts';
import { actorOf, type OperatorAuth } from '../http/operator-auth.ts';
import { Problem } from '../http/problems.ts';
import { checkOrganisation } from './organisation-check.ts';
import { withoutSecrets } from './organisation-diff.ts';
import type { OrganisationVersion, OrganisationVersions } from './organisation-versions.ts';
import { parseYaml } from './organisation-yaml.ts';

const security = [{ operatorToken: [] }];
/** As JSON. A document with 10,000 access rules has about 2 MB. */
const maxDocumentBytes = 4 * 1024 * 1024;
const yamlTypes = ['application/yaml', 'application/x-yaml', 'text/yaml', 'text/x-yaml'];

const Version = { version: Count, author: Text(100), appliedAt: EpochMsOrZero };
const VersionLine = Type.Object(Version, { $id: 'OrganisationVersionLine' });
const VersionAnswer = Type.Object(
  { ...Version, document: Type.Unknown({ description: 'Organisation; secrets for admins only' }) },
  { $id: 'OrganisationVersion' },
);
const AppliedAnswer = Type.Object(
  {
    version: Count,
    changed: Type.Boolean(),
    changes: Type.Array(
      Type.Object({
        pointer: Text(1_000),
        before: Type.Optional(Type.Unknown()),
        after: Type.Optional(Type.Unknown()),
      }),
    ),
  },
  { $id: 'OrganisationApplied' },
);
const VersionParams = Type.Object({ version: Type.Integer({ minimum: 1 }) });

/** The declared configuration: look, try, apply, go back. */
export const registerOrganisationRoutes = (
  app: App,
  parts: { organisations: OrganisationVersions; auth: OperatorAuth; now: () => number },
): void => {
  const { organisations, auth, now } = parts;
  const tags = ['organisation'];

  const shown = (request: FastifyRequest, version: OrganisationVersion) =>
    auth.of(request).role === 'admin'
      ? version
      : { ...version, document: withoutSecrets(version.document) };

  const existing = async (number: number): Promise<OrganisationVersion> => {
    const version = await organisations.at(number);
    if (!version) throw new Problem('not-found', { detail: `there is no version ${number}` });
    return version;
  };

  app.get(
    '/v1/organisation',
    {
      schema: { tags, security, response: answers(VersionAnswer, 'The version in force') },
      onRequest: auth.require('viewer'),
    },
    async (request, reply) => {
      const current = await organisations.current();
      return reply.header('etag', `"${current.version}"`).send(shown(request, current));
    },
  );

  // A scope of its own: nothing else here reads YAML.
  app.register((plain, _options, done) => {
    const yaml = plain as App;
    yaml.addContentTypeParser(
      yamlTypes,
      { parseAs: 'string' },
      async (_request: unknown, text: string | Buffer) => parseYaml(String(text)),
    );
    yaml.put(
      '/v1/organisation',
      {
        schema: {
          tags,
          security,
          summary: 'Apply a document (JSON or YAML); `dry-run=1` only tells the difference',
          description: 'With `If-Match: "<version>"` it applies only on top of that version.',
          consumes: ['application/json', ...yamlTypes],
          querystring: Type.Object({ 'dry-run': Type.Optional(Type.Boolean()) }),
          body: Organisation,
          response: answers(AppliedAnswer, 'What was, or would be, changed'),
        },
        // The schema above documents the body; this check says more than it can.
        validatorCompiler: (route) =>
          route.httpPart === 'body' ? checkedDocument : validatorCompiler(route as never),
        onRequest: auth.require('admin'),
        bodyLimit: maxDocumentBytes,
      },
      async (request) => {
        if (request.query['dry-run']) return organisations.preview(request.body);
        return organisations.apply(
          request.body,
          {
            actor: actorOf(auth.of(request)),
            action: 'organisation.applied',
            expectedVersion: expectedVersionOf(request),
          },
          now(),
        );
      },
    );
    done();
  });

  app.get(
    '/v1/organisation/versions',
    {
      schema: { tags, security, response: answers(ListOf(VersionLine), 'Newest first') },
      onRequest: auth.require('viewer'),
    },
    async () => ({ items: await organisations.list(1_000) }),
  );

  app.get(
    '/v1/organisation/versions/:version',
    {
      schema: { tags, security, params: VersionParams, response: answers(VersionAnswer, 'It') },
      onRequest: auth.require('viewer'),
    },
    async (request) => shown(request, await existing(request.params.version)),
  );

  app.post(
    '/v1/organisation/versions/:version/restore',
    {
      schema: {
        tags,
        security,
        summary: 'Put an earlier version in force again, as the newest',
        params: VersionParams,
        response: answers(AppliedAnswer, 'What changed'),
      },
      onRequest: auth.require('admin'),
    },
    async (request) => {
      const { version, document } = await existing(request.params.version);
      const by = {
        actor: actorOf(auth.of(request)),
        action: `organisation.restored-${version}`,
        expectedVersion: expectedVersionOf(request),
      };
      return organisations.apply(document, by, now());
    },
  );
};

const checkedDocument = (value: unknown) => {
  const checked = checkOrganisation(value);
  return checked.ok ? { value: checked.value } : { error: invalidFields(checked.mistakes) };
};

const expectedVersionOf = (request: FastifyRequest): number | undefined => {
  const header = request.headers['if-match'];
  if (header === undefined) return undefined;
  const version = /^"(\d+)"$/.exec(header)?.[1];
  if (version === undefined) {
    throw new Problem('bad-request', { detail: 'If-Match: expected one version, as "7"' });
  }
  return Number(version);
};
