import { type TSchema, Type } from '@sinclair/typebox';
import { OneOf, Slug, Text, Uuid } from '#contract/scalar.ts';
import type { App } from '../http/app.ts';
import { Problem } from '../http/problems.ts';
import { applicationView } from '../triage/application.ts';
import { listApplications } from '../triage/applications.ts';
import { deviceView } from '../triage/device.ts';
import { deviceApplicationView } from '../triage/device-application.ts';
import { listDevices } from '../triage/devices.ts';
import { deviceFlows } from '../triage/edge-flows.ts';
import { edgesView } from '../triage/edges.ts';
import { incidentsView } from '../triage/incidents.ts';
import { sharedIncidentsView, sharedIncidentView } from '../triage/shared-incidents.ts';
import {
  ApplicationSummary,
  ApplicationView,
  DeviceApplicationView,
  DeviceSummary,
  DeviceView,
  EdgeFlow,
  EdgeLine,
  IncidentLine,
  SharedIncidentLine,
  SharedIncidentView,
} from '../triage/views.ts';
import { defaultWindow, windowNames, windowOf } from '../triage/window.ts';
import type { PagesParts } from './register-pages.ts';

const Query = Type.Object({
  window: Type.Optional({
    ...OneOf(windowNames),
    description: `stretch of time to look at, ending now; ${defaultWindow} when absent`,
  }),
});

const DeviceQuery = Type.Object({
  q: Type.Optional({ ...Text(100), description: 'part of the device’s name' }),
});

/** Schemas with names of their own are written out: a document may hold each name only once. */
const inline = <T extends TSchema>(schema: T): T =>
  JSON.parse(JSON.stringify(schema), (key, value) =>
    key === '$id' && typeof value === 'string' ? undefined : value,
  ) as T;

const answers = (schema: TSchema, description: string) => ({
  200: { ...inline(schema), description },
});

const security = [{ operatorToken: [] }, { session: [] }];
const route = (summary: string) => ({ summary, tags: ['triage'], security });

/** What the pages show, for programs: the same views as JSON. */
export const registerTriageApi = (app: App, parts: PagesParts): void => {
  app.register((plain, _options, done) => {
    const scope = plain as App;
    scope.addHook('preHandler', parts.requireViewer);
    registerLists(scope, parts);
    registerViews(scope, parts);
    done();
  });
};

const registerLists = (app: App, parts: PagesParts): void => {
  app.get(
    '/v1/applications',
    {
      schema: {
        ...route('How every application does, the worst first'),
        querystring: Query,
        response: answers(
          Type.Object({ applications: Type.Array(ApplicationSummary) }),
          'Every application with its worst verdict',
        ),
      },
    },
    async ({ query }) => {
      const nowMs = parts.now();
      const window = windowOf(query.window ?? defaultWindow, nowMs);
      return { applications: await listApplications(parts, window, nowMs) };
    },
  );
  app.get(
    '/v1/triage/devices',
    {
      schema: {
        ...route('Devices by name, the worst first'),
        querystring: DeviceQuery,
        response: answers(
          Type.Object({ devices: Type.Array(DeviceSummary), moreCount: Type.Integer() }),
          'At most 200 devices, and how many more match',
        ),
      },
    },
    ({ query }) => listDevices(parts, { search: query.q ?? '', limit: 200, nowMs: parts.now() }),
  );
  app.get(
    '/v1/incidents',
    {
      schema: {
        ...route('Incidents, those under way first'),
        response: answers(
          Type.Object({ incidents: Type.Array(IncidentLine) }),
          'The newest 200 incidents',
        ),
      },
    },
    async () => ({ incidents: await incidentsView(parts) }),
  );
  app.get(
    '/v1/incidents/shared',
    {
      schema: {
        ...route('Causes that hit several devices, those under way first'),
        response: answers(
          Type.Object({ incidents: Type.Array(SharedIncidentLine) }),
          'The newest 200',
        ),
      },
    },
    async () => ({ incidents: await sharedIncidentsView(parts) }),
  );
  app.get(
    '/v1/triage/edges',
    {
      schema: {
        ...route('How every edge does'),
        querystring: Query,
        response: answers(
          Type.Object({ edges: Type.Array(EdgeLine) }),
          'Every edge with its newest sample and onward measurements',
        ),
      },
    },
    async ({ query }) => ({
      edges: await edgesView(parts, windowOf(query.window ?? defaultWindow, parts.now())),
    }),
  );
};

const registerViews = (app: App, parts: PagesParts): void => {
  app.get(
    '/v1/applications/:appId',
    {
      schema: {
        ...route('One application over all its devices'),
        params: Type.Object({ appId: Slug }),
        querystring: Query,
        response: answers(ApplicationView, 'The application'),
      },
    },
    async ({ params, query }) => {
      const nowMs = parts.now();
      const window = windowOf(query.window ?? defaultWindow, nowMs);
      return found(await applicationView(parts, params.appId, window, nowMs));
    },
  );
  app.get(
    '/v1/incidents/shared/:incidentId',
    {
      schema: {
        ...route('One cause that hits several devices'),
        params: Type.Object({ incidentId: Uuid }),
        response: answers(SharedIncidentView, 'The incident, who suffers most, and its course'),
      },
    },
    async ({ params }) => {
      const view = await sharedIncidentView(parts, params.incidentId);
      if (view === null) throw new Problem('not-found', { detail: 'no such incident' });
      return view;
    },
  );
  app.get(
    '/v1/devices/:deviceId/triage',
    {
      schema: {
        ...route('One device with its applications'),
        params: Type.Object({ deviceId: Uuid }),
        querystring: Query,
        response: answers(DeviceView, 'The device'),
      },
    },
    async ({ params, query }) => {
      const nowMs = parts.now();
      const window = windowOf(query.window ?? defaultWindow, nowMs);
      return found(await deviceView(parts, params.deviceId, window, nowMs));
    },
  );
  app.get(
    '/v1/devices/:deviceId/flows',
    {
      schema: {
        ...route('What a device’s edges told of its flows'),
        params: Type.Object({ deviceId: Uuid }),
        querystring: Query,
        response: answers(
          Type.Object({ flows: Type.Array(EdgeFlow) }),
          'The newest 500, as far as the organisation lets them be told',
        ),
      },
    },
    async ({ params, query }) => {
      const window = windowOf(query.window ?? defaultWindow, parts.now());
      return { flows: await deviceFlows(parts.store, window, params.deviceId) };
    },
  );
  app.get(
    '/v1/devices/:deviceId/applications/:appId',
    {
      schema: {
        ...route('The triage answer: why one application is slow on one device'),
        params: Type.Object({ deviceId: Uuid, appId: Slug }),
        querystring: Query,
        response: answers(DeviceApplicationView, 'The answer and all it rests on'),
      },
    },
    async ({ params, query }) => {
      const nowMs = parts.now();
      const window = windowOf(query.window ?? defaultWindow, nowMs);
      return found(await deviceApplicationView(parts, params, window, nowMs));
    },
  );
};

const found = <T>(view: T | null): T => {
  if (view === null) throw new Problem('not-found', { detail: 'no such device or application' });
  return view;
};
