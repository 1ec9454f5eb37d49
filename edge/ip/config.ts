import { type Static, Type } from '@sinclair/typebox';
import { closed, Text } from '#contract/scalar.ts';
import { ConfigError } from '#runtime/config.ts';
import { poolMistake } from './address-pool.ts';

/**
 * For what devices send that is neither TCP nor UDP. At least one pool: ranges that nobody else uses,
 * from which devices get an address of each family while they are connected.
 */
export const IpForwardingConfig = Type.Object(
  {
    /** A /8 to a /29: `100.96.0.0/16`. */
    pool4: Type.Optional(Text(64)),
    /** A /32 to a /120: `fd77::/64`. */
    pool6: Type.Optional(Text(64)),
    /** Of the tunnel; left out: 1,400. */
    mtuBytes: Type.Optional(Type.Integer({ minimum: 1_280, maximum: 9_000 })),
  },
  closed,
);
export type IpForwardingConfig = Static<typeof IpForwardingConfig>;

/** What a schema cannot say. Throws ConfigError naming field and fix. */
export const checkIpForwarding = (config: IpForwardingConfig | undefined): void => {
  if (!config) return;
  const { pool4, pool6 } = config;
  if (pool4 === undefined && pool6 === undefined) {
    throw new ConfigError(
      'ipForwarding: set pool4 (100.96.0.0/16), pool6 (fd77::/64) or both, or leave it out',
    );
  }
  const mistake4 = pool4 === undefined ? undefined : poolMistake(pool4, 4);
  if (mistake4) throw new ConfigError(`ipForwarding.pool4: ${mistake4}`);
  const mistake6 = pool6 === undefined ? undefined : poolMistake(pool6, 6);
  if (mistake6) throw new ConfigError(`ipForwarding.pool6: ${mistake6}`);
};
