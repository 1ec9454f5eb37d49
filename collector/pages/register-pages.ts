import type {} from '@fastify/swagger';
import type { FastifyReply, FastifyRequest, preHandlerAsyncHookHandler } from 'fastify';
import { check } from '#contract/check.ts';
import { Uuid } from '#contract/scalar.ts';
import type { AccountRows } from '../control/run-account-rows.ts';
import type { App } from '../http/app.ts';
import { problemOf } from '../http/problem-of.ts';
import { Problem } from '../http/problems.ts';
import { applicationView } from '../triage/application.ts';
import { listApplications } from '../triage/applications.ts';
import { deviceView } from '../triage/device.ts';
import { deviceApplicationView } from '../triage/device-application.ts';
import { listDevices } from '../triage/devices.ts';
import { edgesView } from '../triage/edges.ts';
import { incidentsView } from '../triage/incidents.ts';
import { sharedIncidentsView, sharedIncidentView } from '../triage/shared-incidents.ts';
import {
  defaultWindow,
  type TriageParts,
  type Window,
  type WindowName,
  windowNames,
  windowOf,
} from '../triage/window.ts';
import { type Assets, readAssets } from './assets.ts';
import type { Html } from './html.ts';
import type { Frame } from './layout.ts';
import { answerPage } from './page-answer.ts';
import { applicationPage } from './page-application.ts';
import { applicationsPage, devicesPage } from './page-applications.ts';
import { devicePage } from './page-device.ts';
import { edgesPage, incidentsPage } from './page-lists.ts';
import { problemPage } from './page-problem.ts';
import { sharedIncidentPage } from './page-shared-incident.ts';

/** What the pages and their API need; `requireViewer` lets a signed-in person through or throws. */
export type PagesParts = TriageParts & {
  accounts: AccountRows;
  now: () => number;
  requireViewer: preHandlerAsyncHookHandler;
};

/** Nothing but our own files: no inline script or style, no frame, no other host. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Devices listed at once; the search narrows the rest. */
const listedDevices = 50;

/** The triage pages and what they load. */
export const registerPages = (app: App, parts: PagesParts): void => {
  const assets = readAssets();
  registerAssets(app, assets);
  // A scope of its own: what is hooked and handled here stays with the pages.
  app.register((scope, _options, done) => {
    scope.addHook('preHandler', parts.requireViewer);
    scope.setErrorHandler((error, _request, reply) =>
      answerProblem(error, reply, { nowMs: parts.now(), assetsUrl: urlOf(assets) }),
    );
    registerRoutes(scope as App, parts, assets);
    done();
  });
};

const urlOf = ({ version }: Assets): string => `/assets/${version}/`;

/** Open to all: they hold no data, and the page that asks for a token looks like the others. */
const registerAssets = (app: App, { version, files }: Assets): void => {
  app.get('/assets/:version/:file', { schema: { hide: true } }, async (request, reply) => {
    const { version: asked, file } = request.params as { version: string; file: string };
    const asset = files.get(file);
    if (asset === undefined) throw new Problem('not-found', { detail: 'no such asset' });
    // A page of another version, still open, gets today's file, but must not keep it.
    const isCurrent = asked === version;
    return reply
      .type(asset.type)
      .header('cache-control', isCurrent ? 'public, max-age=31536000, immutable' : 'no-cache')
      .header('x-content-type-options', 'nosniff')
      .send(asset.content);
  });
};

type Drawing = { parts: PagesParts; frame: Frame; window: Window; request: FastifyRequest };

/** One page: its address and how it is drawn; null where there is nothing to draw. */
const pages: Record<string, (drawing: Drawing) => Promise<Html | null>> = {
  '/': async ({ parts, frame, window, request }) => {
    const [applications, shared, search] = await Promise.all([
      listApplications(parts, window, frame.nowMs),
      sharedIncidentsView(parts),
      searchDevices(parts, request, frame.nowMs),
    ]);
    return applicationsPage(frame, applications, shared, search);
  },
  '/applications/:appId': async ({ parts, frame, window, request }) => {
    const view = await applicationView(parts, param(request, 'appId'), window, frame.nowMs);
    return view === null ? null : applicationPage(frame, view);
  },
  '/devices': async ({ parts, frame, request }) =>
    devicesPage(frame, await searchDevices(parts, request, frame.nowMs)),
  '/devices/:deviceId': async ({ parts, frame, window, request }) => {
    const deviceId = uuidParam(request, 'deviceId');
    if (deviceId === null) return null;
    const view = await deviceView(parts, deviceId, window, frame.nowMs);
    return view === null ? null : devicePage(frame, view);
  },
  '/devices/:deviceId/applications/:appId': async ({ parts, frame, window, request }) => {
    const deviceId = uuidParam(request, 'deviceId');
    if (deviceId === null) return null;
    const about = { deviceId, appId: param(request, 'appId') };
    const view = await deviceApplicationView(parts, about, window, frame.nowMs);
    return view === null ? null : answerPage(frame, view);
  },
  '/incidents': async ({ parts, frame }) =>
    incidentsPage(
      frame,
      ...(await Promise.all([sharedIncidentsView(parts), incidentsView(parts)])),
    ),
  '/incidents/shared/:incidentId': async ({ parts, frame, request }) => {
    const incidentId = uuidParam(request, 'incidentId');
    const view = incidentId === null ? null : await sharedIncidentView(parts, incidentId);
    return view === null ? null : sharedIncidentPage(frame, view);
  },
  '/edges': async ({ parts, frame, window }) => edgesPage(frame, await edgesView(parts, window)),
};

const registerRoutes = (app: App, parts: PagesParts, assets: Assets): void => {
  for (const [url, draw] of Object.entries(pages)) {
    app.get(url, { schema: { hide: true } }, async (request, reply) => {
      const nowMs = parts.now();
      const name = windowParam(request);
      const frame = { nowMs, window: name, assetsUrl: urlOf(assets) };
      const page = await draw({ parts, frame, window: windowOf(name, nowMs), request });
      if (page === null) throw new Problem('not-found', { detail: 'no such page' });
      return sendPage(reply, page);
    });
  }
};

const sendPage = (reply: FastifyReply, page: Html): FastifyReply =>
  reply
    .type('text/html; charset=utf-8')
    .header('content-security-policy', contentSecurityPolicy)
    .header('referrer-policy', 'same-origin')
    .header('x-content-type-options', 'nosniff')
    .header('cache-control', 'no-store')
    .send(page.text);

const searchDevices = async (parts: PagesParts, request: FastifyRequest, nowMs: number) => {
  const q = text(request.query, 'q').trim().slice(0, 100);
  return { q, ...(await listDevices(parts, { search: q, limit: listedDevices, nowMs })) };
};

/** A window that does not exist is the usual one: an old link still opens. */
const windowParam = (request: FastifyRequest): WindowName => {
  const asked = text(request.query, 'window');
  return windowNames.find((name) => name === asked) ?? defaultWindow;
};

const param = (request: FastifyRequest, name: string): string => text(request.params, name);

const uuidParam = (request: FastifyRequest, name: string): string | null => {
  const checked = check(Uuid, param(request, name));
  return checked.ok ? checked.value : null;
};

const text = (values: unknown, name: string): string => {
  const value = (values as Record<string, unknown> | null)?.[name];
  return typeof value === 'string' ? value : '';
};

const advice: Record<number, string> = {
  401: 'Open the address with the token once more: `npm start` prints it; elsewhere it is /enter?token= with the token you were given.',
  403: 'Your token does not allow this: ask whoever runs the collector.',
  404: 'The address may be mistyped, or what it named was removed.',
  503: 'A storage engine does not answer now. This page tries again by itself.',
};

/** A fault of ours is for the listener to answer and to log; everything else gets a page. */
const answerProblem = (
  error: unknown,
  reply: FastifyReply,
  frame: { nowMs: number; assetsUrl: string },
): FastifyReply => {
  const problem = problemOf(error);
  if (problem.status === 500) throw error;
  const { title } = problem.body() as { title: string };
  for (const name of ['retry-after', 'www-authenticate']) {
    const value = problem.headers()[name];
    if (value !== undefined) reply.header(name, value);
  }
  return sendPage(
    reply.code(problem.status),
    problemPage(frame, { title, advice: advice[problem.status] ?? problem.message }),
  );
};
