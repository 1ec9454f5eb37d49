/** A key as a part of a JSON Pointer (RFC 6901 section 3). */
export const pointerKey = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1');
