/** A program of the system with its arguments; run without a shell. */
export type Command = {
  argv: readonly [string, ...string[]];
  /** Its failing is not the end of it: it needs rights, or a part, that may not be there. */
  mayFail?: true;
};

/** What the system's proxy settings are to be. */
export type WantedProxy =
  | { kind: 'pac'; url: string }
  | {
      kind: 'manual';
      http: { host: string; port: number };
      socks?: { host: string; port: number };
    };

/** What a command said; undefined: it failed, which some do for a value that is not there. */
export type Answers = readonly (string | undefined)[];

/**
 * A system's proxy settings as data: which commands show them, and, from what those said, which set
 * them and which put back what was before.
 */
export type ProxyPlatform = {
  /** Asked first; what it says is given to `reads`. */
  places: Command | undefined;
  reads(places: string): Command[];
  apply(places: string, wanted: WantedProxy): Command[];
  revert(places: string, before: Answers): Command[];
};

/** Never through a proxy: the machine itself. */
export const alwaysDirect = ['localhost', '127.0.0.1', '::1'] as const;

export const command = (...argv: [string, ...string[]]): Command => ({ argv });

export const attempt = (...argv: [string, ...string[]]): Command => ({ argv, mayFail: true });

/** `host:port`, IPv6 in brackets. */
export const placeOf = ({ host, port }: { host: string; port: number }): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`;
