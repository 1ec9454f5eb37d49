import type { Mistake } from '#contract/check.ts';

/**
 * Every error this collector answers with, as RFC 9457 problem details. `type` on the wire is
 * `urn:whyslow:problem:<name>`; names are stable, titles are for people.
 */
export const problemTypes = {
  'bad-request': { status: 400, title: 'The request is not well-formed' },
  'invalid-fields': { status: 400, title: 'A field of the request is wrong' },
  'invalid-records': { status: 400, title: 'Some records of the batch were refused' },
  'certificate-request-refused': { status: 400, title: 'The certificate request was refused' },
  'certificate-required': { status: 401, title: 'A client certificate of this tenant is required' },
  'token-required': { status: 401, title: 'A valid operator token is required' },
  'enrollment-refused': { status: 403, title: 'The enrollment token was refused' },
  'identity-refused': { status: 403, title: 'This device or edge is not accepted' },
  'role-required': { status: 403, title: 'The operator’s role does not allow this' },
  'bearer-required': { status: 403, title: 'Changes need the bearer header, not the cookie' },
  'not-found': { status: 404, title: 'There is nothing here' },
  'version-conflict': { status: 409, title: 'Someone else changed it at the same time' },
  'too-many-requests': { status: 409, title: 'The device has enough to do already' },
  'precondition-failed': { status: 412, title: 'The version in force is another one' },
  'body-too-large': { status: 413, title: 'The body is larger than allowed' },
  'unsupported-media-type': { status: 415, title: 'This media type or encoding is not understood' },
  'wrong-host': { status: 421, title: 'The Host header does not name this listener' },
  'rate-limited': { status: 429, title: 'Too many refused attempts from this address' },
  'sender-limited': { status: 429, title: 'This sender has sent more than it may' },
  'headers-too-large': { status: 431, title: 'The request’s headers are larger than allowed' },
  internal: { status: 500, title: 'A fault in the collector; its log says more' },
  'engine-unavailable': { status: 503, title: 'A storage engine does not answer now' },
  overloaded: { status: 503, title: 'The collector is at its limit; try again' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemName = keyof typeof problemTypes;

export type ProblemOptions = {
  /** For a person; never a stack, a secret or what lies inside. */
  detail?: string;
  errors?: readonly Mistake[];
  /** Members of the answer beyond RFC 9457's. */
  extensions?: Record<string, unknown>;
  retryAfterSeconds?: number;
};

/** Thrown anywhere in a request's handling; answered as problem details. */
export class Problem extends Error {
  override name = 'Problem';
  readonly problem: ProblemName;
  readonly options: ProblemOptions;

  constructor(problem: ProblemName, options: ProblemOptions = {}) {
    super(options.detail ?? problemTypes[problem].title);
    this.problem = problem;
    this.options = options;
  }

  get status(): number {
    return problemTypes[this.problem].status;
  }

  headers(): Record<string, string> {
    const { retryAfterSeconds } = this.options;
    return {
      'content-type': 'application/problem+json',
      ...(this.status === 401 ? { 'www-authenticate': 'Bearer realm="whyslow"' } : {}),
      ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }),
    };
  }

  body(): Record<string, unknown> {
    const { detail, errors, extensions } = this.options;
    return {
      type: `urn:whyslow:problem:${this.problem}`,
      title: problemTypes[this.problem].title,
      status: this.status,
      ...(detail === undefined ? {} : { detail }),
      ...(errors === undefined ? {} : { errors }),
      ...extensions,
    };
  }
}
