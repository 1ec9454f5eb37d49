import { startOrigin } from '#test/support/origin.ts';

/** A page as many are: a style sheet, two scripts, a dozen pictures. In a process of its own. */
const origin = await startOrigin();
const pictures = Array.from({ length: 12 }, (_, n) => `/picture-${n}.svg`);
origin.on('/page', {
  body: `<!doctype html><html lang="en"><head><title>page</title><meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,"><link rel="stylesheet" href="/style.css"><script src="/library.js"></script></head>
<body><h1>A page like many</h1>${'<p>Some text to lay out and paint, a paragraph of it.</p>'.repeat(60)}
${pictures.map((src) => `<img src="${src}" width="200" height="120" alt="">`).join('')}
<script src="/app.js"></script></body></html>`,
});
origin.on('/style.css', {
  headers: { 'content-type': 'text/css' },
  body: Array.from({ length: 500 }, (_, n) => `.c${n} > p { margin: ${n}px }`).join('\n'),
});
const script = { 'content-type': 'text/javascript' };
origin.on('/library.js', {
  headers: script,
  body: Array.from({ length: 2_000 }, (_, n) => `function f${n}(a) { return a * ${n} + a; }`).join(
    '\n',
  ),
});
origin.on('/app.js', {
  headers: script,
  body: `let sum = 0; for (let i = 0; i < 2e5; i++) sum += f1(i) + f2(i);
for (let i = 0; i < 200; i++) { const p = document.createElement('p'); p.textContent = 'made ' + i + sum; document.body.append(p); }`,
});
for (const path of pictures) {
  origin.on(path, {
    headers: { 'content-type': 'image/svg+xml' },
    body: '<svg xmlns="http://www.w3.org/2000/svg" width="200" height="120"><rect width="200" height="120" fill="teal"/></svg>',
  });
}
process.once('disconnect', () => process.exit(0));
process.send?.(`${origin.url}/page`);
