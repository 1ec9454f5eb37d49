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
  const picture = bodyOf('image/bmp', drawImage(100));
  return (path, extra) => {
    if (path === '/')
      return bodyOf('text/html; charset=utf-8', page(title, scriptsOfOthers, extra));
    if (/^\/images\/\d{1,3}\.bmp$/.test(path)) return picture;
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
${lines(ownImages + extra.extraImageCount, image)}
${lines(40, () => '<p>The quick brown fox jumps, and nobody asks how long it took.</p>')}
<p>${text(extra.extraPageBytes)}</p>
</body>
</html>
`;

const lines = (count: number, line: (number: number) => string): string =>
  Array.from({ length: count }, (_, index) => line(index + 1)).join('\n');

const image = (number: number) =>
  `<img src="/images/${number}.bmp" width="100" height="100" alt="">`;

const sentence = 'A heavy page takes its time. ';
const text = (size: number): string =>
  sentence.repeat(Math.ceil(size / sentence.length)).slice(0, size);

const style = `body { margin: 2em }\n${lines(200, (n) => `.c${n} { padding: ${n}px }`)}\n`;
const script = `document.documentElement.dataset.ready = 'yes';\n${lines(500, () => '// A line of a library nobody reads.')}\n`;
const tag = `window.tagged = true;\n${lines(200, () => '// Measured with care.')}\n`;

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
