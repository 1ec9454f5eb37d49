/** A PAC file as an organisation writes it: the limit of other vendors too. */
export const maxPacBytes = 262_144;

/** Words the agent fills in before the script is compiled. */
export const pacMacros = [
  'GATEWAY',
  'GATEWAY_HOST',
  'SECONDARY_GATEWAY',
  'SECONDARY_GATEWAY_HOST',
  'LOCAL_PROXY',
  'ZAPP_LOCAL_PROXY',
  'TUNNEL',
  'TRUSTED_NETWORK',
] as const;
export type PacMacro = (typeof pacMacros)[number];
export type PacValues = Readonly<Record<PacMacro, string>>;

/** What is wrong with a PAC file as far as its text says; whether it compiles, a sandbox says. */
export const pacMistakes = (text: string): string[] => {
  const bytes = Buffer.byteLength(text);
  if (bytes > maxPacBytes) return [`${bytes} bytes: a PAC file has at most ${maxPacBytes}`];
  const unknown = [...text.matchAll(macroForm)].filter(([, name = '']) => !isMacro(name));
  const missing = /\bFindProxyForURL(Ex)?\b/.test(text)
    ? []
    : ['no function FindProxyForURL(url, host): it is what is asked'];
  return [
    ...missing,
    ...unknown.map(({ 1: name = '', index }) => {
      const line = text.slice(0, index).split('\n').length;
      return `line ${line}: \${${name}} is no macro here: ${fixOf(name)}`;
    }),
  ];
};

/** The script with every macro replaced; a value that could be script instead throws. */
export const fillPac = (text: string, values: PacValues): string =>
  text.replace(macroForm, (written, name: string) => {
    if (!isMacro(name)) return written;
    const value = values[name];
    if (!valueForm.test(value)) throw new Error(`${value} is no value for \${${name}}`);
    return value;
  });

const macroForm = /\$\{([A-Z][A-Z0-9_]*)\}/g;

/** A host, `host:port`, or a fixed word: nothing of it ends a string or begins a comment. */
const valueForm = /^(?:[A-Za-z0-9_.-]{1,253}|\[[0-9a-fA-F:.]{2,45}\])(?::\d{1,5})?$/;

const isMacro = (name: string): name is PacMacro => pacMacros.some((macro) => macro === name);

/** Of macros that PAC files from elsewhere have. */
const fixes = new Map<string, string>([
  ['ZAPP_TUNNEL2_BYPASS', 'return "DIRECT" instead'],
  ['ZT2_REQUEST', 'the agent asks its own PAC file only, so take the test out'],
  ['ZS_CUSTOM_PORT', 'leave the port out, the agent knows it'],
  ['SRCIP', 'use myIpAddress()'],
]);

const fixOf = (name: string): string => {
  const fix = fixes.get(name);
  if (fix !== undefined) return fix;
  if (/^(COUNTRY_)?(SECONDARY_)?GATEWAY/.test(name)) {
    return `use \${${name.includes('SECONDARY') ? 'SECONDARY_' : ''}GATEWAY}, the edge is chosen by measurement`;
  }
  return `there are ${pacMacros.map((macro) => `\${${macro}}`).join(', ')}`;
};
