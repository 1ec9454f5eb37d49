import { createTestAuthority } from './certificates.ts';
import { startOrigin } from './origin.ts';

/**
 * A small real site over HTTPS: a page with a style sheet, a script, images and a beacon of a third
 * party, which is the same machine under another name and port. `authorityPem` is to be trusted.
 */
export const startPageSite = async () => {
  const authority = await createTestAuthority();
  const site = await startOrigin({ authority });
  const thirdParty = await startOrigin({ authority });
  const thirdPartyUrl = `https://localhost:${thirdParty.port}`;
  const script = { 'content-type': 'text/javascript' };

  site.on('/page', { body: page(`${thirdPartyUrl}/tag.js`) });
  site.on('/style.css', { headers: { 'content-type': 'text/css' }, body: 'body { margin: 2em }' });
  site.on('/app.js', { headers: script, body: 'document.title = "ready";' });
  site.on('/picture.svg', svg('steelblue'));
  site.on('/slow.svg', { ...svg('tomato'), thinkMs: 400 });
  thirdParty.on('/tag.js', { headers: script, body: 'window.tagged = true;' });
  thirdParty.on('/frame', { body: '<!doctype html><img src="/inside.svg">' });
  thirdParty.on('/inside.svg', svg('gold'));

  return {
    site,
    thirdParty,
    thirdPartyUrl,
    authorityPem: authority.certificatePem,
    pageUrl: `${site.url}/page`,
    async stop(): Promise<void> {
      await Promise.all([site.stop(), thirdParty.stop()]);
    },
  };
};

const svg = (color: string) => ({
  headers: { 'content-type': 'image/svg+xml' },
  body: `<svg xmlns="http://www.w3.org/2000/svg" width="300" height="200"><rect width="300" height="200" fill="${color}"/></svg>`,
});

const page = (tagUrl: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>site</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/style.css">
<script src="/app.js"></script>
</head>
<body>
<h1>A page like any other</h1>
<p>Some text to paint.</p>
<img src="/picture.svg" width="300" height="200" alt="">
<img src="/slow.svg" width="300" height="200" alt="">
<script src="${tagUrl}" async></script>
</body>
</html>
`;
