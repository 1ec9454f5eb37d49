// Runs inside the sandbox, before the organisation's script: the functions every browser gives a PAC
// file, answering as Chromium does, and `ask`, by which the host evaluates a decision. A script that
// redefines the language's own objects harms its own answers and nothing else.
(() => {
  const global = globalThis;
  const parseJson = JSON.parse;
  const hasOwn = Object.hasOwn;
  const asText = String;

  const maxAnswerLength = 4_096;
  const maxRemembered = 5_000;

  /** Addresses by name, for this decision; the name that is missing ends the run. */
  const noNames = {};
  let names = noNames;
  let own = [];
  let needed = '';

  const addressesOf = (host) => {
    const name = asText(host);
    if (v4(name) !== null || v6(name) !== null) return [name];
    if (hasOwn(names, name)) return names[name];
    if (name === '' || name.length > 253) return [];
    if (needed === '') needed = name;
    throw new Error('a name is being resolved');
  };

  /** Rules write the same few addresses again and again. */
  const read = new Map();
  const v4 = (text) => {
    const first = text.charCodeAt(0);
    if (!(first >= 48 && first <= 57)) return null;
    let bytes = read.get(text);
    if (bytes === undefined) {
      if (read.size >= maxRemembered) read.clear();
      bytes = readV4(text);
      read.set(text, bytes);
    }
    return bytes;
  };
  const readV4 = (text) => {
    const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
    if (match === null) return null;
    const bytes = [+match[1], +match[2], +match[3], +match[4]];
    return bytes.some((byte) => byte > 255) ? null : bytes;
  };

  /** RFC 4291 section 2.2, as sixteen bytes. */
  const v6 = (text) => {
    if (text.indexOf(':') === -1 || !/^[0-9a-fA-F:.]{2,45}$/.test(text)) return null;
    const last = text.slice(text.lastIndexOf(':') + 1);
    const dotted = last.indexOf('.') === -1 ? null : v4(last);
    if (last.indexOf('.') !== -1 && dotted === null) return null;
    const written =
      dotted === null
        ? text
        : `${text.slice(0, text.length - last.length)}${hex(dotted, 0)}:${hex(dotted, 2)}`;
    const halves = written.split('::');
    if (halves.length > 2) return null;
    const groups = halves.map((half) => (half === '' ? [] : half.split(':')));
    const gap = 8 - groups[0].length - (groups[1] === undefined ? 0 : groups[1].length);
    if (halves.length === 1 ? gap !== 0 : gap < 1) return null;
    const all = [...groups[0], ...new Array(gap).fill('0'), ...(groups[1] || [])];
    if (!all.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return null;
    return all.flatMap((group) => [
      Number.parseInt(group, 16) >> 8,
      Number.parseInt(group, 16) & 255,
    ]);
  };
  const hex = (bytes, at) => (bytes[at] * 256 + bytes[at + 1]).toString(16);

  const sameBits = (one, other, bits) => {
    for (let index = 0; index * 8 < bits; index += 1) {
      const mask = bits - index * 8 >= 8 ? 255 : 256 - (1 << (8 - (bits - index * 8)));
      if ((one[index] & mask) !== (other[index] & mask)) return false;
    }
    return true;
  };
  const mapped = (bytes) =>
    bytes.length === 16 ? bytes : [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...bytes];

  const isPlainHostName = (host) => asText(host).indexOf('.') === -1 && v6(asText(host)) === null;
  const dnsDomainIs = (host, domain) =>
    host.length >= domain.length && host.substring(host.length - domain.length) === domain;
  const localHostOrDomainIs = (host, full) =>
    host === full || full.lastIndexOf(`${host}.`, 0) === 0;
  const dnsDomainLevels = (host) => host.split('.').length - 1;
  const firstV4 = (host) => addressesOf(host).find((address) => v4(address) !== null) ?? null;
  const dnsResolve = (host) => firstV4(host);
  const isResolvable = (host) => firstV4(host) !== null;
  const dnsResolveEx = (host) => addressesOf(host).join(';');
  const isResolvableEx = (host) => addressesOf(host).length > 0;
  const myIpAddress = () => own.find((address) => v4(address) !== null) ?? '127.0.0.1';
  const myIpAddressEx = () => own.join(';');

  const isInNet = (host, pattern, mask) => {
    const net = v4(asText(pattern));
    const maskBytes = v4(asText(mask));
    if (net === null || maskBytes === null) return false;
    const literal = v4(asText(host)) === null ? firstV4(host) : asText(host);
    if (literal === null) return false;
    const bytes = v4(literal);
    return bytes.every((byte, at) => (byte & maskBytes[at]) === (net[at] & maskBytes[at]));
  };

  const isInNetEx = (address, prefix) => {
    const [base, length, ...rest] = asText(prefix).split('/');
    const bytes = v4(asText(address)) ?? v6(asText(address));
    const net = v4(base) ?? v6(base);
    if (bytes === null || net === null || rest.length > 0) return false;
    if (!/^\d{1,3}$/.test(length ?? '') || +length > net.length * 8) return false;
    if (bytes.length === net.length) return sameBits(bytes, net, +length);
    return sameBits(mapped(bytes), mapped(net), net.length === 4 ? +length + 96 : +length);
  };

  const sortIpAddressList = (list) => {
    const addresses = asText(list)
      .split(';')
      .map((text) => text.trim());
    const read = addresses.map((text) => ({ text, bytes: v4(text) ?? v6(text) }));
    if (read.some(({ bytes }) => bytes === null)) return false;
    const order = ({ bytes: one }, { bytes: other }) => {
      if (one.length !== other.length) return other.length - one.length;
      const at = one.findIndex((byte, index) => byte !== other[index]);
      return at === -1 ? 0 : one[at] - other[at];
    };
    return read
      .sort(order)
      .map(({ text }) => text)
      .join(';');
  };

  // The browsers' functions leave every other sign of regular expressions as it is, and files rely on
  // it: `(*.a.test|*.b.test)`. The plain kinds need no expression.
  const patterns = new Map();
  const compilePattern = (pattern) => {
    if (/^\*?[A-Za-z0-9_\-.:/%&=~#,;@!]*\*?$/.test(pattern)) {
      const text = pattern.replace(/\*/g, '');
      const isOpenStart = pattern[0] === '*';
      const isOpenEnd = pattern.length > 1 ? pattern.endsWith('*') : isOpenStart;
      if (isOpenStart && isOpenEnd) return (given) => given.indexOf(text) !== -1;
      if (isOpenStart) return (given) => given.endsWith(text);
      return isOpenEnd ? (given) => given.startsWith(text) : (given) => given === text;
    }
    const written = pattern.replace(/\./g, '\\.').replace(/\*/g, '.*').replace(/\?/g, '.');
    const form = new RegExp(`^${written}$`);
    return (given) => form.test(given);
  };
  const shExpMatch = (given, pattern) => {
    const key = asText(pattern);
    let matches = patterns.get(key);
    if (matches === undefined) {
      if (patterns.size >= maxRemembered) patterns.clear();
      matches = compilePattern(key);
      patterns.set(key, matches);
    }
    return matches(asText(given));
  };

  const weekdays = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];
  const months = 'JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC'.split(' ');

  /** The arguments without a closing "GMT", and the time as that says. */
  const readRange = (given) => {
    const isGmt = given[given.length - 1] === 'GMT';
    const now = new Date();
    const at = isGmt ? now : new Date(now.getTime() - now.getTimezoneOffset() * 60_000);
    return { args: isGmt ? given.slice(0, -1) : given, at };
  };
  const isBetween = (from, value, to) =>
    from <= to ? from <= value && value <= to : value >= from || value <= to;

  const weekdayRange = (...given) => {
    const { args, at } = readRange(given);
    const [from, to] = args.map((name) => weekdays.indexOf(name));
    if (from === undefined || from === -1 || to === -1) return false;
    return isBetween(from, at.getUTCDay(), to ?? from);
  };

  /** Of day, month and year only what is written is compared, the year first. */
  const dateRange = (...given) => {
    const { args, at } = readRange(given);
    if (args.length === 0) return false;
    const half = args.length === 1 ? args : args.slice(0, args.length >> 1);
    const other = args.length === 1 ? args : args.slice(args.length >> 1);
    const kindOf = (arg) =>
      typeof arg === 'string' && months.includes(arg)
        ? 'month'
        : Number.parseInt(arg, 10) < 32
          ? 'day'
          : 'year';
    const numberOf = (parts) => {
      let value = 0;
      for (const part of parts) {
        const kind = kindOf(part);
        if (kind === 'month') value += (months.indexOf(part) + 1) * 100;
        else value += Number.parseInt(part, 10) * (kind === 'day' ? 1 : 10_000);
      }
      return value;
    };
    const kinds = half.map(kindOf);
    const now =
      (kinds.includes('day') ? at.getUTCDate() : 0) +
      (kinds.includes('month') ? (at.getUTCMonth() + 1) * 100 : 0) +
      (kinds.includes('year') ? at.getUTCFullYear() * 10_000 : 0);
    return isBetween(numberOf(half), now, numberOf(other));
  };

  const timeRange = (...given) => {
    const { args, at } = readRange(given);
    const hour = at.getUTCHours();
    const [a, b, c, d, e, f] = args.map(Number);
    const seconds = (hours, minutes, rest) => (hours * 60 + minutes) * 60 + rest;
    const now = seconds(hour, at.getUTCMinutes(), at.getUTCSeconds());
    switch (args.length) {
      case 1:
        return hour === a;
      case 2:
        return a <= hour && hour <= b;
      case 4:
        return isBetween(seconds(a, b, 0), now, seconds(c, d, 59));
      case 6:
        return isBetween(seconds(a, b, c), now, seconds(d, e, f));
      default:
        throw new Error('timeRange: bad number of arguments');
    }
  };

  Object.assign(global, {
    isPlainHostName,
    dnsDomainIs,
    localHostOrDomainIs,
    isResolvable,
    isResolvableEx,
    isInNet,
    isInNetEx,
    dnsResolve,
    dnsResolveEx,
    myIpAddress,
    myIpAddressEx,
    dnsDomainLevels,
    shExpMatch,
    sortIpAddressList,
    weekdayRange,
    dateRange,
    timeRange,
    getClientVersion: () => '1.0',
    alert: () => {},
  });

  const describe = (error) => {
    try {
      const isObject = typeof error === 'object' && error !== null && 'message' in error;
      const text = isObject ? `${error.name}: ${error.message}` : `thrown: ${asText(error)}`;
      return `${text.slice(0, 200)}\n${isObject ? asText(error.stack).slice(0, 400) : ''}`;
    } catch {
      return 'it threw something that cannot be described';
    }
  };

  /** `A` and the answer, `N` and a name to resolve, or `E` and what went wrong. */
  const ask = (url, host, namesJson) => {
    needed = '';
    names = namesJson === '' ? noNames : parseJson(namesJson);
    let answer;
    try {
      const find = global.FindProxyForURLEx ?? global.FindProxyForURL;
      answer = find(url, host);
    } catch (error) {
      // The script may have caught the missing name itself: what counts is that one is missing.
      if (needed === '') return `E${describe(error)}`;
    }
    if (needed !== '') return `N${needed}`;
    if (answer === null || answer === undefined) return 'A';
    if (typeof answer !== 'string') return `EFindProxyForURL returned ${typeof answer}, not text`;
    if (answer.length > maxAnswerLength)
      return `EFindProxyForURL returned ${answer.length} characters`;
    return `A${answer}`;
  };
  /** Takes the device's addresses; says whether there is something to ask. */
  const prepare = (ownJson) => {
    own = parseJson(ownJson);
    return typeof (global.FindProxyForURLEx ?? global.FindProxyForURL) === 'function'
      ? 'yes'
      : 'no';
  };
  return { ask, prepare };
})();
