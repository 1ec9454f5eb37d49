/** An agent that captures TCP and has its proxy beside it, without a collector. Runs as root. */
import { createInterface } from 'node:readline';
import { createNames } from '#agent/capture/names.ts';
import { captureCommands } from '#agent/capture/rules.ts';
import { startTcpCapture } from '#agent/capture/tcp.ts';
import { openLibc } from '#runtime/kernel/libc.ts';
import { holdTable } from '#runtime/kernel/owned-table.ts';
import { silentLog } from '#runtime/log.ts';
import { type AgentSettings, startAgentOfBench } from './agent-of-bench.ts';

const settings = JSON.parse(process.argv[2] ?? '{}') as AgentSettings;
const { open, proxyPort } = await startAgentOfBench(settings);
const libc = await openLibc();
if (libc === undefined) throw new Error('koffi cannot be loaded');
const capture = await startTcpCapture({
  ...{ libc, open, names: createNames(), processOf: () => undefined, log: silentLog() },
  confirm: async (flow) => flow,
});
const nothing = { four: [], six: [] };
const table = await holdTable({ family: 'inet', name: 'whyslow_capture_bench', onLost: () => {} });
await table.run(
  captureCommands({
    table: table.name,
    own: { uids: [0] },
    past: { tcp: nothing, udp: nothing },
    ...{ tcpPort: capture.port, dns: [], udp: undefined },
  }),
);
console.log(JSON.stringify({ port: proxyPort }));
for await (const _ of createInterface({ input: process.stdin })) console.log('{}');
process.exit(0);
