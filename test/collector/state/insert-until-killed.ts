import { openState } from '#collector/state/open.ts';
import { enrollmentTokens } from '#collector/state/schema.ts';

/** Inserts rows one by one and prints each one's number once the state has it. */
const [folder = ''] = process.argv.slice(2);
const state = await openState({ engine: 'pglite', folder });
const row = {
  secretHash: '',
  role: 'device',
  note: '',
  usesLeft: 1,
  createdAt: 1,
  expiresAt: 2,
} as const;
for (let n = 1; ; n += 1) {
  await state.db.insert(enrollmentTokens).values({ ...row, id: String(n) });
  process.stdout.write(`${n}\n`);
}
