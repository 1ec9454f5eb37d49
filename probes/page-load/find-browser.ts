import { posix, win32 } from 'node:path';

export type BrowserSearch = {
  /** Set by the operator: taken or refused, never passed over. */
  configured: string | undefined;
  platform: NodeJS.Platform;
  home: string;
  exists(path: string): boolean;
};

/** Path of an installed Chrome, Chromium or Edge; undefined where there is none. */
export const findBrowser = (search: BrowserSearch): string | undefined => {
  const candidates =
    search.configured === undefined
      ? usualPaths(search.platform, search.home)
      : [search.configured];
  return candidates.find((path) => search.exists(path));
};

const usualPaths = (platform: NodeJS.Platform, home: string): string[] => {
  if (platform === 'win32') {
    const roots = [
      'C:\\Program Files',
      'C:\\Program Files (x86)',
      win32.join(home, 'AppData\\Local'),
    ];
    return windowsPaths.flatMap((path) => roots.map((root) => win32.join(root, path)));
  }
  if (platform === 'darwin') {
    return macNames.flatMap((name) =>
      ['/Applications', posix.join(home, 'Applications')].map((root) =>
        posix.join(root, `${name}.app`, 'Contents/MacOS', name),
      ),
    );
  }
  return linuxPaths;
};

const windowsPaths = [
  'Google\\Chrome\\Application\\chrome.exe',
  'Microsoft\\Edge\\Application\\msedge.exe',
  'Chromium\\Application\\chrome.exe',
];

const macNames = ['Google Chrome', 'Chromium', 'Microsoft Edge'];

const linuxPaths = [
  '/usr/bin/google-chrome-stable',
  '/usr/bin/google-chrome',
  '/opt/google/chrome/chrome',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/lib/chromium/chromium',
  '/snap/bin/chromium',
  '/usr/bin/microsoft-edge-stable',
  '/usr/bin/microsoft-edge',
];
