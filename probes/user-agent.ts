import packageFile from '../package.json' with { type: 'json' };

/** Marks our traffic as ours, for the owner of the application who reads the server's log. */
export const userAgent = `whyslow/${packageFile.version} (synthetic)`;
