import { desc, eq } from 'drizzle-orm';
import type { Organisation } from '#contract/organisation.ts';
import { Problem } from '../http/problems.ts';
import { gathered } from '../state/gathered.ts';
import { organisationVersions } from '../state/schema.ts';
import type { Database } from '../state/state.ts';
import { writeAudit } from './audit.ts';
import { type Change, diffDocuments } from './organisation-diff.ts';

export type OrganisationVersion = {
  version: number;
  document: Organisation;
  author: string;
  appliedAt: number;
};

/** In force before anything was applied. */
const nothing: OrganisationVersion = {
  version: 0,
  document: { version: 1, applications: [] },
  author: '',
  appliedAt: 0,
};

export type Applied = { version: number; changed: boolean; changes: Change[] };

/** The declared configuration and all it ever was. Versions are only added. */
export const createOrganisationVersions = (db: Database) => ({
  current: (): Promise<OrganisationVersion> => readCurrent(db),

  /** Cheap: for whoever keeps what it made of a version. */
  /** Asked for with each batch. */
  currentNumber: gathered<void, number>(async (askers) => {
    const [row] = await db
      .select({ version: organisationVersions.version })
      .from(organisationVersions)
      .orderBy(desc(organisationVersions.version))
      .limit(1);
    return askers.map(() => row?.version ?? nothing.version);
  }),

  async at(version: number): Promise<OrganisationVersion | undefined> {
    const [row] = await db
      .select()
      .from(organisationVersions)
      .where(eq(organisationVersions.version, version));
    return row as OrganisationVersion | undefined;
  },

  list: (limit: number) =>
    db
      .select({
        version: organisationVersions.version,
        author: organisationVersions.author,
        appliedAt: organisationVersions.appliedAt,
      })
      .from(organisationVersions)
      .orderBy(desc(organisationVersions.version))
      .limit(limit),

  async preview(document: Organisation): Promise<Applied> {
    const current = await readCurrent(db);
    const changes = diffDocuments(current.document, document);
    return { version: current.version, changed: changes.length > 0, changes };
  },

  /**
   * Puts a document in force as the next version; the same document again is no version. Of two
   * at once one wins and the other is told: its diff was against something else.
   */
  apply: (
    document: Organisation,
    by: { actor: string; action: string; expectedVersion: number | undefined },
    now: number,
  ): Promise<Applied> =>
    db.transaction(async (tx) => {
      const current = await readCurrent(tx);
      if (by.expectedVersion !== undefined && by.expectedVersion !== current.version) {
        const detail = `version ${current.version} is in force, not ${by.expectedVersion}`;
        throw new Problem('precondition-failed', { detail });
      }
      const changes = diffDocuments(current.document, document);
      if (changes.length === 0) return { version: current.version, changed: false, changes };
      const version = current.version + 1;
      const written = await tx
        .insert(organisationVersions)
        .values({ version, document, author: by.actor, appliedAt: now })
        .onConflictDoNothing()
        .returning({ version: organisationVersions.version });
      if (written.length === 0) {
        throw new Problem('version-conflict', { detail: 'look at the difference again' });
      }
      const { actor, action } = by;
      await writeAudit(tx, { actor, action, subject: String(version), detail: { changes } }, now);
      return { version, changed: true, changes };
    }),
});

export type OrganisationVersions = ReturnType<typeof createOrganisationVersions>;

const readCurrent = async (db: Pick<Database, 'select'>): Promise<OrganisationVersion> => {
  const [row] = await db
    .select()
    .from(organisationVersions)
    .orderBy(desc(organisationVersions.version))
    .limit(1);
  // Written by `apply` alone, after its check.
  return (row as OrganisationVersion | undefined) ?? nothing;
};
