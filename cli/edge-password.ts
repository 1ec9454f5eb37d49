import type { Command } from 'commander';
import { UsageError } from './usage-error.ts';

/** `whyslow edge password NAME`: a line for the users file of an edge's clientless listener. */
export const registerEdgePassword = (edge: Command): void => {
  edge
    .command('password')
    .description(
      'make a line for the users file of clientless access; reads the password from standard input',
    )
    .argument('<name>', 'user, as the policy names it')
    .action(async (name: string) => {
      const { hashPassword } = await import('#edge/clientless/password.ts');
      const { check } = await import('#contract/check.ts');
      const { UserId } = await import('#contract/access.ts');
      if (!check(UserId, name).ok) throw new UsageError(`${name}: ${UserId.description}`);
      const password = await readLine();
      if (password.length < leastLength) {
        throw new UsageError(`a password has at least ${leastLength} characters`);
      }
      console.log(`${name}:${await hashPassword(password)}`);
    });
};

/** NIST SP 800-63B section 3.1.1.2 asks for 15 where a password is all there is. */
const leastLength = 15;

const readLine = async (): Promise<string> => {
  const { stdin } = process;
  if (stdin.isTTY) process.stderr.write('password (it is shown): ');
  let text = '';
  for await (const chunk of stdin.setEncoding('utf8')) {
    text += chunk;
    if (text.includes('\n')) break;
  }
  return text.split(/\r?\n/)[0] ?? '';
};
