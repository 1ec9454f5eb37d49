import type { NodeRole } from '../topology/topology.ts';
import type { NameBehaviour, Requests, WebBehaviour } from './control.ts';

/** A node as the services' process is told of it. */
export type ServedNode = {
  name: string;
  role: NodeRole;
  namespace: string;
  /** Its service addresses, IPv4 first. */
  addresses: readonly string[];
  /** Every address it has, for reverse names. */
  allAddresses: readonly string[];
  names: readonly string[];
};

/** What serves at one node. */
export type Service = {
  behaviour(): WebBehaviour | NameBehaviour | undefined;
  /** The change has been checked. */
  change(change: Readonly<Record<string, unknown>>): Promise<void>;
  reset(): Promise<void>;
  requests(): Requests;
  stop(): Promise<void>;
};

/** Every node has this name, beside those it serves. */
export const hostName = (node: string): string => `${node}.lab.test`;
