import { expect, test } from 'vitest';
import { gathered } from '#collector/state/gathered.ts';
import { StateUnavailable } from '#collector/state/state.ts';

test('questions that come while one is under way are asked together, each with its own answer', async () => {
  const asked: number[][] = [];
  const double = gathered(async (numbers: readonly number[]) => {
    asked.push([...numbers]);
    await new Promise((resume) => setTimeout(resume, 5));
    return numbers.map((number) => 2 * number);
  });
  expect(await Promise.all([1, 2, 3, 4].map(double))).toEqual([2, 4, 6, 8]);
  expect(asked).toEqual([[1], [2, 3, 4]]);
  expect(await double(5)).toBe(10);
});

test('a question that cannot be answered fails alone', async () => {
  const known = gathered(async (names: readonly string[]) => {
    await Promise.resolve();
    if (names.includes('bad')) throw new Error('bad');
    return names;
  });
  const answers = await Promise.allSettled(['a', 'b', 'bad', 'c'].map(known));
  expect(answers.map(({ status }) => status)).toEqual([
    ...['fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
  ]);
});

test('an engine that is away is asked once for all that wait', async () => {
  let count = 0;
  const away = gathered(async (_: readonly number[]): Promise<number[]> => {
    count += 1;
    await Promise.resolve();
    throw new StateUnavailable('away');
  });
  const answers = await Promise.allSettled([1, 2, 3, 4, 5].map(away));
  expect(answers.every(({ status }) => status === 'rejected')).toBe(true);
  expect(count).toBe(2);
});
