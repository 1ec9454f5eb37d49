/**
 * How an edge tells an agent to go to a destination itself (access rules with the action `direct`):
 * `details` of the Proxy-Status (RFC 9209) of a 403 with `http_request_denied`.
 */
export const directDetails = (rule: string): string => `direct, rule ${rule}`;

/** The rule that says so; undefined: the edge says something else. */
export const directRuleIn = (proxyStatus: string | undefined): string | undefined =>
  /; ?error=http_request_denied; ?details="direct, rule ([a-z0-9._-]{1,64})"/.exec(
    proxyStatus ?? '',
  )?.[1];
