import { type Checked, check, type Mistake } from '#contract/check.ts';
import { edgeApplicationId } from '#contract/edge-path.ts';
import { type Application, Organisation, ProbeSpec } from '#contract/organisation.ts';
import { Slug } from '#contract/scalar.ts';
import { findUnstorable } from '../http/plain-text.ts';
import { checkAccess } from './access-check.ts';
import { checkBurst } from './compile-burst.ts';
import { checkFollowed } from './followed.ts';
import { checkForwarding } from './forwarding-check.ts';
import { checkHosts } from './host-check.ts';
import { checkProbe } from './probe-check.ts';
import { type NamedProbe, nameProbes } from './probe-ids.ts';

/** A plan takes no more (contract/plan.ts); every application's probes are in every device's plan. */
const planMaxProbes = 512;

/** Checks a declared configuration: its shape first, then what the shape cannot say. */
export const checkOrganisation = (value: unknown): Checked<Organisation> => {
  const shape = check(Organisation, value);
  if (!shape.ok) return { ok: false, mistakes: shape.mistakes.flatMap((m) => sharpen(value, m)) };
  const mistakes = [...findUnstorable(shape.value), ...crossCheck(shape.value)].slice(0, 20);
  return mistakes.length === 0 ? shape : { ok: false, mistakes };
};

const probePointer = /^\/applications\/(\d+)\/probes\/(\d+)/;

/** "Expected union value" says nothing: the probe is checked again as the type it says it is. */
const sharpen = (value: unknown, mistake: Mistake): Mistake[] => {
  const [pointer, application = '', probe = ''] = probePointer.exec(mistake.pointer) ?? [];
  if (pointer === undefined) return [mistake];
  const document = value as { applications: { probes: unknown[] }[] };
  const spec = document.applications[Number(application)]?.probes[Number(probe)];
  const type = (spec as { type?: unknown } | null)?.type;
  const branch = ProbeSpec.anyOf.find((each) => each.properties.type.const === type);
  if (!branch) {
    const types = ProbeSpec.anyOf.map((each) => each.properties.type.const).join(', ');
    return [{ pointer: `${pointer}/type`, message: `expected one of ${types}` }];
  }
  const checked = check(branch, spec);
  if (checked.ok) return [mistake];
  return checked.mistakes.map((inner) => ({ ...inner, pointer: `${pointer}${inner.pointer}` }));
};

const crossCheck = (organisation: Organisation): Mistake[] => [
  ...duplicates('/applications', organisation.applications),
  ...organisation.applications.flatMap((application, index) =>
    checkApplication(application, `/applications/${index}`, organisation.forwarding?.mode),
  ),
  ...checkPlanSize(organisation),
  ...duplicates('/forwarding/networks', organisation.forwarding?.networks ?? []),
  ...checkForwarding(organisation.forwarding),
  ...duplicates('/access', organisation.access ?? []),
  ...duplicates('/users', organisation.users ?? []),
  ...checkAccess(organisation),
  ...duplicates('/webhooks', organisation.webhooks ?? []),
  ...checkWebhooks(organisation),
  ...checkBurst(organisation),
];

const duplicates = (pointer: string, things: readonly { id: string }[]): Mistake[] =>
  things.flatMap(({ id }, index) => {
    const first = things.findIndex((other) => other.id === id);
    if (first === index) return [];
    const message = `“${id}” is already the id of ${pointer}/${first}: choose another`;
    return [{ pointer: `${pointer}/${index}/id`, message }];
  });

const checkApplication = (
  application: Application,
  pointer: string,
  mode: 'tunnel' | 'off' = 'tunnel',
): Mistake[] => {
  const mistakes: Mistake[] = [];
  if (application.id === edgeApplicationId) {
    const message = `“${edgeApplicationId}” is reserved for the way to the edges: choose another`;
    mistakes.push({ pointer: `${pointer}/id`, message });
  }
  if (application.private === true && application.hosts.length === 0) {
    const message =
      'a private application names its hosts: edges may dial private ranges for these';
    mistakes.push({ pointer: `${pointer}/hosts`, message });
  }
  return [
    ...mistakes,
    ...checkHosts(application.hosts, `${pointer}/hosts`),
    ...checkProbes(application, pointer, mode),
  ];
};

const checkProbes = (
  application: Application,
  pointer: string,
  mode: 'tunnel' | 'off',
): Mistake[] => {
  const named = nameProbes(application, mode);
  const probes = named.map((probe) => ({ id: probe.id }));
  return [
    ...duplicates(`${pointer}/probes`, probes),
    ...checkFollowed(named, `${pointer}/probes`),
    ...named.flatMap(({ spec }, index) => checkProbe(spec, `${pointer}/probes/${index}`)),
    ...checkPlanIds(named, `${pointer}/probes`),
  ];
};

/** A probe's lines of the plan: `a` both ways has `a-direct`, as another probe may be called. */
const checkPlanIds = (named: readonly NamedProbe[], pointer: string): Mistake[] => {
  const makers = new Map<string, string>();
  return named.flatMap(({ id, ways }, index) =>
    ways.flatMap(({ planId }) => {
      const at = `${pointer}/${index}/id`;
      const maker = makers.get(planId);
      makers.set(planId, maker ?? id);
      if (maker !== undefined && maker !== id) {
        const message = `makes the plan’s id “${planId}”, as “${maker}” does: choose another`;
        return [{ pointer: at, message }];
      }
      if (maker !== undefined || check(Slug, planId).ok) return [];
      const message = `makes the plan’s id “${planId}”, which is too long (64): shorten it`;
      return [{ pointer: at, message }];
    }),
  );
};

const checkPlanSize = (organisation: Organisation): Mistake[] => {
  const mode = organisation.forwarding?.mode ?? 'tunnel';
  const count = organisation.applications
    .flatMap((application) => nameProbes(application, mode))
    .reduce((sum, probe) => sum + probe.ways.length, 0);
  if (count <= planMaxProbes) return [];
  const message = `${count} probes (both ways counted): a plan holds at most ${planMaxProbes}`;
  return [{ pointer: '/applications', message }];
};

const checkWebhooks = (organisation: Organisation): Mistake[] => {
  const known = new Set(organisation.applications.map(({ id }) => id));
  return (organisation.webhooks ?? []).flatMap((rule, index) => {
    const mistakes: Mistake[] = [];
    const at = `/webhooks/${index}`;
    const urlMessage = checkWebhookUrl(rule.url);
    if (urlMessage !== undefined) mistakes.push({ pointer: `${at}/url`, message: urlMessage });
    const secretBytes = Buffer.from(rule.secret.slice('whsec_'.length), 'base64').length;
    if (secretBytes < 24 || secretBytes > 64) {
      const message = `expected whsec_ and base64 of 24–64 bytes, these are ${secretBytes}`;
      mistakes.push({ pointer: `${at}/secret`, message });
    }
    for (const [position, id] of (rule.applications ?? []).entries()) {
      if (known.has(id)) continue;
      const message = `no application “${id}” in this document: add it, or take it out here`;
      mistakes.push({ pointer: `${at}/applications/${position}`, message });
    }
    return mistakes;
  });
};

const checkWebhookUrl = (text: string): string | undefined => {
  if (!URL.canParse(text)) return 'not a URL: expected https://host/path';
  const { username, password } = new URL(text);
  if (username === '' && password === '') return undefined;
  return 'a user name or password in a URL is not sent: take it out (the signature says who we are)';
};
