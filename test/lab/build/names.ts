/** Everything the lab leaves on a machine carries its name, so that it can be found and removed. */
export const checkLabName = (lab: string): string => {
  if (/^[a-z][a-z0-9]{0,11}$/.test(lab)) return lab;
  throw new Error(`"${lab}" is no name for a lab: a letter, then at most 11 letters and digits`);
};

export const namespacePrefix = (lab: string): string => `wl-${lab}-`;

export const namespaceName = (lab: string, node: string): string =>
  `${namespacePrefix(lab)}${node}`;

export const labsFolder = '/run/whyslow-lab';

export const labFolder = (lab: string): string => `${labsFolder}/${lab}`;

/** What `ip netns exec` lays over /etc in a namespace. */
export const etcFolder = (namespace: string): string => `/etc/netns/${namespace}`;

/** cgroup v1 controllers that faults put programs into. */
export const cgroupFolders = ['/sys/fs/cgroup/cpu', '/sys/fs/cgroup/freezer'] as const;

export const cgroupPrefix = (lab: string): string => `whyslow-lab-${lab}-`;
