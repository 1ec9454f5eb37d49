import type { App } from './app.ts';

/**
 * A scope of its own: in its routes, and only there, a body of these types stays bytes, because it has
 * to be inflated first. `maxBytes`: as it travels.
 */
export const withRawBody = (
  app: App,
  body: { mediaTypes: string[]; maxBytes: number },
  register: (scope: App) => void,
): void => {
  app.register((plain, _options, done) => {
    const scope = plain as App;
    scope.removeContentTypeParser('application/json');
    scope.addContentTypeParser(
      body.mediaTypes,
      { parseAs: 'buffer', bodyLimit: body.maxBytes },
      async (_request: unknown, bytes: string | Buffer) => bytes,
    );
    register(scope);
    done();
  });
};
