import { type TSchema, Type } from '@sinclair/typebox';

/**
 * HAR 1.2, from the specification's field tables: what is not marked optional there is required, and
 * nothing else may stand in an object but fields of one's own, whose names begin with an underscore.
 */
const object = (members: Record<string, TSchema>) => Type.Object(members);

const text = Type.String();
const comment = Type.Optional(text);
const date = Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$' });
/** -1: does not apply, or is not known. */
const size = Type.Integer({ minimum: -1 });
const ms = Type.Number({ minimum: -1 });
const pair = object({ name: text, value: text, comment });
const cookie = object({ name: text, value: text, comment });

export const fields = {
  log: ['version', 'creator', 'browser', 'pages', 'entries', 'comment'],
  page: ['startedDateTime', 'id', 'title', 'pageTimings', 'comment'],
  entry: [
    'pageref',
    'startedDateTime',
    'time',
    'request',
    'response',
    'cache',
    'timings',
    'serverIPAddress',
    'connection',
    'comment',
  ],
  request: [
    'method',
    'url',
    'httpVersion',
    'cookies',
    'headers',
    'queryString',
    'postData',
    'headersSize',
    'bodySize',
    'comment',
  ],
  response: [
    'status',
    'statusText',
    'httpVersion',
    'cookies',
    'headers',
    'content',
    'redirectURL',
    'headersSize',
    'bodySize',
    'comment',
  ],
  timings: ['blocked', 'dns', 'connect', 'send', 'wait', 'receive', 'ssl', 'comment'],
} as const;

/** Fields that are neither the specification's nor marked as one's own. */
export const strangers = (kind: keyof typeof fields, value: object): string[] =>
  Object.keys(value).filter(
    (name) => !name.startsWith('_') && !(fields[kind] as readonly string[]).includes(name),
  );

export const Har = object({
  log: object({
    version: Type.Literal('1.2'),
    creator: object({ name: text, version: text, comment }),
    browser: Type.Optional(object({ name: text, version: text, comment })),
    pages: Type.Optional(
      Type.Array(
        object({
          startedDateTime: date,
          id: text,
          title: text,
          pageTimings: object({ onContentLoad: Type.Optional(ms), onLoad: Type.Optional(ms) }),
        }),
      ),
    ),
    entries: Type.Array(
      object({
        pageref: Type.Optional(text),
        startedDateTime: date,
        time: Type.Number({ minimum: 0 }),
        request: object({
          method: text,
          url: Type.String({ pattern: '^https?://[^#]+$' }),
          httpVersion: text,
          cookies: Type.Array(cookie),
          headers: Type.Array(pair),
          queryString: Type.Array(pair),
          headersSize: size,
          bodySize: size,
        }),
        response: object({
          status: Type.Integer({ minimum: 0 }),
          statusText: text,
          httpVersion: text,
          cookies: Type.Array(cookie),
          headers: Type.Array(pair),
          content: object({ size: Type.Integer({ minimum: 0 }), mimeType: text }),
          redirectURL: text,
          headersSize: size,
          bodySize: size,
        }),
        cache: object({}),
        timings: object({
          blocked: Type.Optional(ms),
          dns: Type.Optional(ms),
          connect: Type.Optional(ms),
          send: Type.Number({ minimum: 0 }),
          wait: Type.Number({ minimum: 0 }),
          receive: Type.Number({ minimum: 0 }),
          ssl: Type.Optional(ms),
        }),
        serverIPAddress: Type.Optional(text),
        connection: Type.Optional(text),
      }),
    ),
    comment,
  }),
});
