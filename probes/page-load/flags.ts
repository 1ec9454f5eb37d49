/**
 * Command line of the measuring browser: it contacts no one but the page, takes no proxy from the
 * system (which may be the agent itself), and shows a person nothing.
 */
export const browserFlags = (host: { isRoot: boolean; isContainer: boolean }): string[] => [
  '--no-first-run',
  '--no-default-browser-check',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-default-apps',
  '--disable-extensions',
  '--metrics-recording-only',
  '--disable-domain-reliability',
  '--no-pings',
  '--no-service-autorun',
  // What these flags leave on by the browser's own wish goes to a port where no one listens:
  // the sign-in service is asked for accounts, and the update service for components.
  `--gaia-url=${nowhere}`,
  `--component-updater=url-source=${nowhere}`,
  `--apps-gallery-update-url=${nowhere}`,
  '--mute-audio',
  // UDP would go past the tunnel, and change the path from one run to the next.
  '--disable-quic',
  // So would WebRTC's, which is then left to TCP, in a direct run as well. The second is its old name.
  '--webrtc-ip-handling-policy=disable_non_proxied_udp',
  '--force-webrtc-ip-handling-policy=disable_non_proxied_udp',
  // A run through the tunnel gets its proxy with its own browser context.
  '--no-proxy-server',
  `--disable-features=${unwantedFeatures.join(',')}`,
  // Chromium's sandbox needs user namespaces of its own, which root and most containers do not
  // give it: without this flag it ends at once. Anywhere else the sandbox stays on.
  ...(host.isRoot || host.isContainer ? ['--no-sandbox'] : []),
];

/** The discard port of this machine. */
const nowhere = 'http://127.0.0.1:9/';

const unwantedFeatures = [
  // Would try https:// first for an http:// page, and fetch what nobody asked for.
  'HttpsUpgrades',
  'HttpsFirstBalancedModeAutoEnable',
  // Would change the resolver under the measurement.
  'DnsOverHttpsUpgrade',
  'AutofillServerCommunication',
  'CertificateTransparencyComponentUpdater',
  'NetworkTimeServiceQuerying',
  'OptimizationGuideModelDownloading',
  'OptimizationHintsFetching',
  // Chromium's own windows draw their address bar's lists with a page of their own, for each run:
  // five times the CPU time of a small page. The third starts a process for a page that never comes.
  'WebUIOmniboxPopup',
  'WebUIOmniboxAimPopup',
  'SpareRendererForSitePerProcess',
];
