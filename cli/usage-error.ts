/** The command was called wrongly, or what it needs is not there: a sentence, no stack, exit code 2. */
export class UsageError extends Error {
  override name = 'UsageError';
}
