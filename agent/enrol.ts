import { platform, release } from 'node:os';
import { dialBySystem } from '#probes/dial-by-system.ts';
import { sleep } from '#runtime/backoff.ts';
import { ConfigError } from '#runtime/config.ts';
import { type IdentityHolder, loadOrEnroll } from '#runtime/identity.ts';
import type { Log } from '#runtime/log.ts';
import packageFile from '../package.json' with { type: 'json' };
import type { AgentProgramConfig } from './config.ts';
import { readTextOrNothing } from './device/read-text.ts';
import { readNewToken, removeNewToken } from './new-token.ts';

/** A token file may be written at any time. */
const lookIntervalMs = 1_000;

/**
 * The identity of this device: a new one where a new token was left, the kept one, or one by the
 * config's token. Where nobody may leave the device before enrolment (`isHeld`) the agent does not end
 * for want of a token: it keeps the fence, says what is missing, and waits for one.
 */
export const enrol = async (parts: {
  config: AgentProgramConfig;
  isHeld: () => boolean;
  onProblem: (reason: string) => void;
  log: Log;
}): Promise<IdentityHolder> => {
  const { config, log } = parts;
  for (;;) {
    const token = readNewToken(config.stateFolder);
    if (token !== undefined) {
      try {
        const holder = await load(config, log, { token, anew: true });
        await removeNewToken(config.stateFolder);
        return holder;
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        await removeNewToken(config.stateFolder);
        log.error({ component: 'identity', reason: error.message }, 'the new token did not enrol');
        parts.onProblem(error.message);
      }
    }
    try {
      return await load(config, log, {
        token: config.enrollmentToken,
        tokenFile: config.enrollmentTokenFile,
      });
    } catch (error) {
      if (!(error instanceof ConfigError) || !parts.isHeld()) throw error;
      log.error({ component: 'identity', reason: error.message }, 'not enrolled');
      parts.onProblem(error.message);
      await nextToken(config);
    }
  }
};

const load = (
  config: AgentProgramConfig,
  log: Log,
  by: { token: string | undefined; tokenFile?: string | undefined; anew?: boolean },
): Promise<IdentityHolder> =>
  loadOrEnroll({
    folder: config.stateFolder,
    collectorUrl: config.collectorUrl,
    ...by,
    role: 'device',
    name: config.name,
    platform: `${platform()} ${release()}`.slice(0, 64),
    programVersion: packageFile.version,
    dial: dialBySystem,
    log,
  });

const nextToken = async (config: AgentProgramConfig): Promise<void> => {
  const { stateFolder, enrollmentTokenFile: file } = config;
  const readOther = () => (file === undefined ? '' : readTextOrNothing(file));
  const seen = () => `${readNewToken(stateFolder) ?? ''} ${readOther()}`;
  const before = seen();
  do await sleep(lookIntervalMs);
  while (seen() === before);
};
