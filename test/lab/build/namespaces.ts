import { writeFileSync } from 'node:fs';
import { inNamespace } from '../kernel/namespace.ts';
import { forwards } from '../topology/graph.ts';
import type { LabNode, Topology } from '../topology/topology.ts';
import { labFolder, namespaceName } from './names.ts';
import { ipBatchFile } from './run.ts';

/** A namespace for each node, with its kernel set up before the first interface appears. */
export const makeNamespaces = async (lab: string, topology: Topology): Promise<void> => {
  await ipBatchFile(
    `${labFolder(lab)}/namespaces.batch`,
    topology.nodes.map(({ name }) => `netns add ${namespaceName(lab, name)}`),
  );
  for (const node of topology.nodes) {
    inNamespace(namespaceName(lab, node.name), () => {
      for (const [key, value] of Object.entries(kernelSettings(node))) {
        writeFileSync(`/proc/sys/net/${key}`, value);
      }
    });
  }
};

/** Below /proc/sys/net. */
const kernelSettings = (node: LabNode): Record<string, string> => ({
  'ipv4/ip_forward': forwards(node) ? '1' : '0',
  'ipv6/conf/all/forwarding': forwards(node) ? '1' : '0',
  'ipv6/conf/default/forwarding': forwards(node) ? '1' : '0',
  // Addresses are there at once: no duplicate detection, no router advertisements, no link-local ones.
  'ipv6/conf/default/accept_dad': '0',
  'ipv6/conf/default/accept_ra': '0',
  'ipv6/conf/default/addr_gen_mode': '1',
  // A link that went down and up has its IPv6 addresses again.
  'ipv6/conf/all/keep_addr_on_down': '1',
  'ipv6/conf/default/keep_addr_on_down': '1',
  // The kernel's own limit (a burst of 6, then 1 a second and peer) would make honest routers silent.
  'ipv4/icmp_ratelimit': '0',
  'ipv6/icmp/ratelimit': '0',
  // Load is shared by addresses, protocol and ports (fields 0x37), as routers do it. The policy of
  // that name, 1, would take the hash that a packet carries from its socket: another for each
  // socket, and for TCP another after each retransmission timeout.
  'ipv4/fib_multipath_hash_policy': '3',
  'ipv4/fib_multipath_hash_fields': '55',
  'ipv6/fib_multipath_hash_policy': '3',
  'ipv6/fib_multipath_hash_fields': '55',
  'ipv4/conf/all/rp_filter': '0',
  'ipv4/conf/default/rp_filter': '0',
  'ipv4/conf/all/send_redirects': '0',
  'ipv4/conf/default/send_redirects': '0',
  // With bbr, which some kernels have as their default, loss would hardly be felt.
  'ipv4/tcp_congestion_control': 'reno',
  'ipv4/tcp_no_metrics_save': '1',
  'bridge/bridge-nf-call-iptables': node.role === 'switch' ? '1' : '0',
  'bridge/bridge-nf-call-ip6tables': node.role === 'switch' ? '1' : '0',
  'bridge/bridge-nf-call-arptables': '0',
});
