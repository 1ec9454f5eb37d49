import type { HTTPRequest, Page } from 'puppeteer-core';

/** A page sent on by script more often than this is not going anywhere (HTTP's limit: 20 as well). */
const maxNavigations = 20;

/** Follows where the page itself goes: its document's status and address, and whether it is there. */
export const watchNavigations = (page: Page) => {
  let count = 0;
  let isLoading = false;
  let status: number | null = null;
  let url: string | null = null;
  let onLoop = () => {};
  const looped = new Promise<number>((resolve) => {
    onLoop = () => resolve(count);
  });
  const isOwn = (request: HTTPRequest): boolean =>
    request.isNavigationRequest() && request.frame() === page.mainFrame();

  page.on('request', (request) => {
    if (!isOwn(request)) return;
    isLoading = true;
    if (request.redirectChain().length > 0) return;
    count += 1;
    if (count > maxNavigations) onLoop();
  });
  page.on('response', (response) => {
    if (!isOwn(response.request())) return;
    status = response.status();
    url = response.url();
    // RFC 9110 §15.3.5, §15.3.6: the page stays where it is.
    if (status === 204 || status === 205) isLoading = false;
  });
  page.on('requestfailed', (request) => {
    if (isOwn(request)) isLoading = false;
  });
  page.on('load', () => {
    isLoading = false;
  });

  return {
    /** Resolves when the page goes round in circles, with how often it went. */
    looped,
    count: (): number => count,
    isLoading: (): boolean => isLoading,
    status: (): number | null => status,
    url: (): string | null => url,
  };
};

export type Navigations = ReturnType<typeof watchNavigations>;
