import { randomBytes } from 'node:crypto';
import { type Body, bodyOf, randomBody } from './body.ts';
import type { WebBehaviour } from './control.ts';

/** Others' scripts come from here, where the topology has a server of this name. */
export const thirdPartyName = 'cdn.third.test';

const mostBytes = 10_000_000_000;

export type Find = (path: string, extra: PageExtras) => Body | undefined;
type PageExtras = Pick<WebBehaviour, 'extraPageBytes' | 'extraImageCount'>;

/**
 * A small real site: `/` with a style sheet, a script, three images of 30 kB and a script of a third
 * party; `/health`; `/bytes/N`. Undefined: no such page.
 */
export const createSite = (title: string, scriptsOfOthers: readonly string[]): Find => {
  const fixed = new Map<string, Body>([
    ['/health', bodyOf('text/plain; charset=utf-8', 'ok\n')],
    ['/style.css', bodyOf('text/css; charset=utf-8', style)],
    ['/app.js', bodyOf('text/javascript; charset=utf-8', script)],
    ['/tag.js', bodyOf('text/javascript; charset=utf-8', tag)],
  ]);
  const image = bodyOf('image/bmp', drawImage(100));
  return (path, extra) => {
    if (path === '/')
      return bodyOf('text/html; charset=utf-8', page(title, scriptsOfOthers, extra));
    if (/^\/images\/\d{1,3}\.bmp$/.test(path)) return image;
    const size = /^\/bytes\/(\d{1,11})$/.exec(path)?.[1];
    if (size !== undefined && Number(size) <= mostBytes) return randomBody(Number(size));
    return fixed.get(path);
  };
};

const ownImages = 3;

const page = (
  title: string,
  scripts: readonly string[],
  extra: PageExtras,
): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>${title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/style.css">
<script src="/app.js" defer></script>
${scripts.map((url) => `<script src="${url}" async></script>`).join('\n')}
</head>
<body>
<h1>${title}</h1>
${Array.from({ length: ownImages + extra.extraImageCount }, (_, index) => `<img src="/images/${index + 1}.bmp" width="100" height="100" alt="">`).join('\n')}
${'<p>The quick brown fox jumps over the lazy dog, and nobody asks how long it took.</p>\n'.repeat(40)}
<p class="more">${filler.repeat(Math.ceil(extra.extraPageBytes / filler.length)).slice(0, extra.extraPageBytes)}</p>
</body>
</html>
`;

const filler = 'All work and no play makes a heavy page. ';
const style = `body { margin: 2em; font-family: sans-serif }\n${Array.from({ length: 200 }, (_, index) => `.c${index} { padding: ${index}px }`).join('\n')}\n`;
const script = `document.documentElement.dataset.ready = 'yes';\n${'// A line of a library nobody reads.\n'.repeat(500)}`;
const tag = `window.tagged = true;\n${'// Measured with care.\n'.repeat(200)}`;

/** A square of noise as a BMP: 24-bit, uncompressed, so its size is side × side × 3 bytes. */
const drawImage = (side: number): Buffer => {
  const header = Buffer.alloc(54);
  const pixels = randomBytes(side * side * 3);
  header.write('BM');
  header.writeUInt32LE(header.length + pixels.length, 2);
  header.writeUInt32LE(header.length, 10);
  header.writeUInt32LE(40, 14);
  header.writeInt32LE(side, 18);
  header.writeInt32LE(side, 22);
  header.writeUInt16LE(1, 26);
  header.writeUInt16LE(24, 28);
  return Buffer.concat([header, pixels]);
};
