import { expect } from 'vitest';
import { compileProbes } from '#collector/control/compile-probes.ts';
import { checkOrganisation } from '#collector/control/organisation-check.ts';
import { check } from '#contract/check.ts';
import type { Organisation, ProbeSpec } from '#contract/organisation.ts';
import { ProbeDefinition } from '#contract/plan.ts';

/** An organisation whose one application has this one probe. */
export const organisationWith = (probe: object): Organisation => ({
  version: 1,
  applications: [{ id: 'crm', name: 'CRM', hosts: ['crm.test'], probes: [probe as ProbeSpec] }],
});

/** What devices get for a probe that is declared well. */
export const compileProbe = (probe: object) => {
  const organisation = organisationWith(probe);
  expect(checkOrganisation(organisation)).toMatchObject({ ok: true });
  const probes = compileProbes(organisation);
  for (const one of probes) expect(check(ProbeDefinition, one)).toMatchObject({ ok: true });
  return probes;
};

/** What is said of a probe that is not. */
export const mistakesOf = (probe: object) => {
  const checked = checkOrganisation(organisationWith(probe));
  return checked.ok ? [] : checked.mistakes;
};
