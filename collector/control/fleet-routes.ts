import { type TSchema, Type } from '@sinclair/typebox';
import { PostureFacts } from '#contract/access.ts';
import { EpochMs, Nullable, Port, Position, Slug, Text, Uuid } from '#contract/scalar.ts';
import { answers, ListOf, noContent } from '../http/answers.ts';
import type { App } from '../http/app.ts';
import { actorOf, type OperatorAuth } from '../http/operator-auth.ts';
import { Problem } from '../http/problems.ts';
import type { Fleet, Identity } from './fleet.ts';

const security = [{ operatorToken: [] }];

const common = {
  programVersion: Text(32),
  certificateSerial: Text(64),
  certificateNotAfter: EpochMs,
  enrolledAt: EpochMs,
  lastSeenAt: Nullable(EpochMs),
  revokedAt: Nullable(EpochMs),
};
const Device = Type.Object(
  {
    id: Text(64),
    name: Text(128),
    platform: Text(64),
    ...common,
    /** Who uses it, and its labels: see `PUT /v1/devices/{id}/assignment`. */
    userId: Nullable(Text(128)),
    labels: Type.Array(Text(64)),
    /** What its agent found out about it, and when by the device’s clock. */
    posture: Nullable(PostureFacts),
    postureAt: Nullable(EpochMs),
  },
  { $id: 'Device' },
);
const Edge = Type.Object(
  {
    id: Text(64),
    host: Text(256),
    port: Port,
    location: Text(64),
    reflectorPort: Nullable(Port),
    position: Nullable(Position),
    ...common,
  },
  { $id: 'Edge' },
);
/** A device’s id is a UUID column: anything else could not even be asked for. */
const idOf = { device: Type.Object({ id: Uuid }), edge: Type.Object({ id: Slug }) };

/** The devices and edges that enrolled: list, look, revoke. */
export const registerFleetRoutes = (
  app: App,
  parts: { fleet: Fleet; auth: OperatorAuth; now: () => number },
): void => {
  const { fleet, auth, now } = parts;

  const register = (
    role: Identity['role'],
    Item: TSchema,
    read: { all(): Promise<unknown[]>; one(id: string): Promise<unknown> },
  ): void => {
    const tags = [`${role}s`];
    const missing = () => new Problem('not-found', { detail: `there is no such ${role}` });

    app.get(
      `/v1/${role}s`,
      {
        schema: { tags, security, response: answers(ListOf(Item), `Every ${role} ever enrolled`) },
        onRequest: auth.require('viewer'),
      },
      async () => ({ items: await read.all() }),
    );

    app.get(
      `/v1/${role}s/:id`,
      {
        schema: { tags, security, params: idOf[role], response: answers(Item, `One ${role}`) },
        onRequest: auth.require('viewer'),
      },
      async (request) => {
        const row = await read.one(request.params.id);
        if (row === undefined) throw missing();
        return row;
      },
    );

    app.post(
      `/v1/${role}s/:id/revoke`,
      {
        schema: { tags, security, params: idOf[role], response: noContent('Refused from now on') },
        onRequest: auth.require('admin'),
      },
      async (request, reply) => {
        const { id } = request.params;
        if ((await read.one(id)) === undefined) throw missing();
        await fleet.revoke({ role, id }, actorOf(auth.of(request)), now());
        return reply.code(204).send();
      },
    );
  };

  register('device', Device, { all: fleet.devices, one: fleet.device });
  register('edge', Edge, { all: fleet.edges, one: fleet.edge });
};
