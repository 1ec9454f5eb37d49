/** The part of a `Proxy-Status` (RFC 9209) that says who refused and why. */
export type ProxyStatus = { by: string; error: string; details: string };

/**
 * Reads the last member that has an error: intermediaries append to the list, and the one nearest to
 * the client stands last (RFC 9209 §2). Null when there is none.
 */
export const parseProxyStatus = (header: string | undefined): ProxyStatus | null => {
  const members = splitOutsideQuotes(header ?? '', ',').map(parseMember);
  return members.findLast((member) => member.error !== '') ?? null;
};

const parseMember = (member: string): ProxyStatus => {
  const [by = '', ...parameters] = splitOutsideQuotes(member, ';').map((part) => part.trim());
  const read = (key: string) =>
    unquote(
      parameters.find((part) => part.toLowerCase().startsWith(`${key}=`))?.slice(key.length + 1) ??
        '',
    );
  return { by: unquote(by), error: read('error').toLowerCase(), details: read('details') };
};

const unquote = (text: string): string =>
  text.startsWith('"')
    ? text.slice(1, text.endsWith('"') ? -1 : undefined).replace(/\\(.)/g, '$1')
    : text;

const splitOutsideQuotes = (text: string, separator: ',' | ';'): string[] =>
  text.match(new RegExp(`(?:"(?:\\\\.|[^"\\\\])*"|[^"${separator}])+`, 'g')) ?? [];
