import type { Mistake } from '#contract/check.ts';
import { knownNames } from '#contract/known-names.ts';
import type { Organisation } from '#contract/organisation.ts';
import { checkHosts } from './host-check.ts';

type Rule = NonNullable<Organisation['access']>[number];

/** What the shape of access rules and users cannot say. Which categories there are, only edges know. */
export const checkAccess = (organisation: Organisation): Mistake[] => {
  const users = organisation.users ?? [];
  const known = {
    applications: new Set(organisation.applications.map(({ id }) => id)),
    users: new Set(users.map(({ id }) => id)),
    groups: new Set(users.flatMap(({ groups = [] }) => groups)),
  };
  return (organisation.access ?? []).flatMap((rule, index) => {
    const at = `/access/${index}`;
    return [
      ...checkHosts(rule.hosts, `${at}/hosts`),
      ...checkNamed(rule.applications, known.applications, `${at}/applications`, 'application'),
      ...checkNamed(rule.users, known.users, `${at}/users`, 'user'),
      ...checkNamed(rule.groups, known.groups, `${at}/groups`, 'user of group'),
      ...checkZone(rule, at),
      ...checkProtocols(rule, at),
    ];
  });
};

/** A rule about nobody would look as if it were in force. */
const checkNamed = (
  named: readonly string[] | undefined,
  known: ReadonlySet<string>,
  pointer: string,
  what: string,
): Mistake[] =>
  (named ?? []).flatMap((name, index) => {
    if (known.has(name)) return [];
    const message = `no ${what} “${name}” in this document${knownNames(known)}`;
    return [{ pointer: `${pointer}/${index}`, message }];
  });

const checkZone = ({ time }: Rule, at: string): Mistake[] => {
  if (time === undefined || isZone(time.zone)) return [];
  const message = `“${time.zone}” is no time zone: expected an IANA name, as Europe/Berlin or UTC`;
  return [{ pointer: `${at}/time/zone`, message }];
};

const isZone = (timeZone: string): boolean => {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone });
    return true;
  } catch {
    return false;
  }
};

const checkProtocols = ({ protocols = [], ports = [] }: Rule, at: string): Mistake[] =>
  ports.length > 0 && protocols.length > 0 && protocols.every((protocol) => protocol === 'ip')
    ? [{ pointer: `${at}/ports`, message: 'packets of protocol ip have no port: leave one out' }]
    : [];
