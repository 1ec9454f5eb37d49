import { Type } from '@sinclair/typebox';
import { Text, Uuid } from '#contract/scalar.ts';
import type { Fleet } from '../control/fleet.ts';
import type { AccountRows } from '../control/run-account-rows.ts';
import { answers } from '../http/answers.ts';
import type { App } from '../http/app.ts';
import type { OperatorAuth } from '../http/operator-auth.ts';
import { Problem } from '../http/problems.ts';
import type { Store } from '../store/store.ts';
import { dayMs, dayOf, readDay } from './day.ts';
import { deviceZeroLoss } from './device-zero-loss.ts';
import { fleetZeroLoss } from './fleet-zero-loss.ts';
import { DeviceZeroLoss, FleetZeroLoss } from './views.ts';

const route = { tags: ['zero-loss'], security: [{ operatorToken: [] }] };
const DayText = { ...Text(10), description: 'a day in UTC, `2026-11-24`' };

/** A day that is longer past than results are kept cannot be compared with them any more. */
const mostDays = 29;
const usualDays = 7;

/** What became of every run that was planned. */
export const registerZeroLossRoutes = (
  app: App,
  parts: {
    fleet: Pick<Fleet, 'device'>;
    accounts: AccountRows;
    store: Store;
    auth: OperatorAuth;
    now: () => number;
  },
): void => {
  const { accounts, auth, now } = parts;

  app.get(
    '/v1/devices/:id/zero-loss',
    {
      schema: {
        ...route,
        summary: 'Planned = stored + lost by reason, of a device, by day and probe',
        description:
          'Compared with the store now. Days both included; the last seven when absent, at most 29.',
        params: Type.Object({ id: Uuid }),
        querystring: Type.Object({ from: Type.Optional(DayText), to: Type.Optional(DayText) }),
        response: answers(DeviceZeroLoss, 'The days of which something is known'),
      },
      onRequest: auth.require('viewer'),
    },
    async ({ params, query }) => {
      if ((await parts.fleet.device(params.id)) === undefined) {
        throw new Problem('not-found', { detail: 'there is no such device' });
      }
      return deviceZeroLoss(parts, params.id, daysOf(query, now()));
    },
  );

  app.get(
    '/v1/zero-loss',
    {
      schema: {
        ...route,
        summary: 'The same for the whole fleet on one day, the worst devices first',
        description:
          'As last compared with the store, which follows within minutes of what devices tell.',
        querystring: Type.Object({ day: Type.Optional(DayText) }),
        response: answers(FleetZeroLoss, 'Sums over the devices that were compared'),
      },
      onRequest: auth.require('viewer'),
    },
    async ({ query }) => fleetZeroLoss(accounts, dayIn('day', query.day) ?? dayOf(now())),
  );
};

const daysOf = (query: { from?: string; to?: string }, now: number) => {
  // A device whose clock is ahead may be in the next day already.
  const toDay = dayIn('to', query.to) ?? dayOf(now + 3_600_000);
  const fromDay = dayIn('from', query.from) ?? toDay - (usualDays - 1) * dayMs;
  if (fromDay > toDay) throw wrong('from', 'expected a day that is not after `to`');
  if (toDay - fromDay >= mostDays * dayMs) throw wrong('from', `expected at most ${mostDays} days`);
  return { fromDay, toDay };
};

const dayIn = (name: string, text: string | undefined): number | undefined => {
  if (text === undefined) return undefined;
  const dayAt = readDay(text);
  if (dayAt === undefined) throw wrong(name, 'expected a day such as 2026-11-24');
  return dayAt;
};

const wrong = (name: string, message: string) =>
  new Problem('invalid-fields', { errors: [{ pointer: `/${name}`, message }] });
