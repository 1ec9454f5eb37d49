import { Type } from '@sinclair/typebox';
import { DeviceAssignment } from '#contract/access.ts';
import { knownNames } from '#contract/known-names.ts';
import { Uuid } from '#contract/scalar.ts';
import { noContent } from '../http/answers.ts';
import type { App } from '../http/app.ts';
import { actorOf, type OperatorAuth } from '../http/operator-auth.ts';
import { Problem } from '../http/problems.ts';
import type { Fleet } from './fleet.ts';
import type { OrganisationVersions } from './organisation-versions.ts';

/** Says who uses a device and what it is called by; access rules go by it. */
export const registerAssignmentRoutes = (
  app: App,
  parts: {
    fleet: Pick<Fleet, 'assign'>;
    organisations: Pick<OrganisationVersions, 'current'>;
    auth: OperatorAuth;
    now: () => number;
  },
): void => {
  const { fleet, organisations, auth, now } = parts;
  app.put(
    '/v1/devices/:id/assignment',
    {
      schema: {
        tags: ['devices'],
        security: [{ operatorToken: [] }],
        summary: 'Who uses a device, and its labels; edges know within seconds',
        params: Type.Object({ id: Uuid }),
        body: DeviceAssignment,
        response: noContent('Assigned, in place of what was before'),
      },
      onRequest: auth.require('admin'),
    },
    async (request, reply) => {
      const { id } = request.params;
      const { userId } = request.body;
      const { users = [] } = (await organisations.current()).document;
      if (userId !== null && !users.some((user) => user.id === userId)) {
        const known = knownNames(users.map((user) => user.id));
        const message = `no user “${userId}” is declared${known}`;
        throw new Problem('invalid-fields', { errors: [{ pointer: '/userId', message }] });
      }
      if (!(await fleet.assign(id, request.body, actorOf(auth.of(request)), now()))) {
        throw new Problem('not-found', { detail: 'there is no such device' });
      }
      return reply.code(204).send();
    },
  );
};
