import { type Command, InvalidArgumentError, Option } from 'commander';
import { type ApiOptions, connectApi, withApiOptions } from './api.ts';

export type TokenAnswer = { token: string; expiresAt: number };

export const registerToken = (program: Command): void => {
  withApiOptions(
    program
      .command('token')
      .description('enrollment tokens')
      .command('create', { isDefault: true })
      .description('make a token with which devices, or an edge, may enroll')
      .addOption(
        new Option('--role <role>', 'who may enroll with it')
          .choices(['device', 'edge'])
          .default('device'),
      )
      .option('--uses <count>', 'how many may enroll with it', wholeNumber, 1)
      .option('--hours <hours>', 'how long it is good for', wholeNumber, 24)
      .option('--note <text>', 'for the audit: whom it is for', ''),
  ).action(async (options: ApiOptions & TokenRequest) => {
    const { token, expiresAt } = await makeToken(connectApi(options), options);
    console.log(token);
    console.error(
      `for ${options.uses} ${options.role}(s), until ${new Date(expiresAt).toISOString()}`,
    );
  });
};

export type TokenRequest = { role: 'device' | 'edge'; uses: number; hours: number; note: string };

export const makeToken = (
  api: ReturnType<typeof connectApi>,
  request: TokenRequest,
): Promise<TokenAnswer> =>
  api.call<TokenAnswer>('POST', '/v1/enrollment-tokens', {
    role: request.role,
    uses: request.uses,
    expiresInSeconds: request.hours * 3_600,
    note: request.note,
  });

const wholeNumber = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('a whole number from 1 up');
  return value;
};
