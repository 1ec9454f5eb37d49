/**
 * Whether a result is ever lost or doubled: `npx tsx test/soak/chaos.ts --kills 200 --seed 1`.
 *
 * Engines (Redis, InfluxDB, PostgreSQL), two collectors, devices with the real spool and shipper, an
 * agent and an edge, each a process on loopback, are killed at random (`kill -9`); meanwhile InfluxDB's
 * disk is full for a while, and the network is cut for a night of six hours (their results come at
 * once). In the end everything that was made is sent twice more, cut into other batches and shuffled.
 * Then each id is compared.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { runChaos } from './chaos/run.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    devices: { type: 'string', default: '4' },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(`npx tsx test/soak/chaos.ts [--kills 200] [--seed 1] [--devices 4] [--json FILE]

Kills engines, collectors, devices, agent and edge at random, fills a disk (as root), cuts the network,
replays; ends with 1 when a result is lost, stored twice or strange. About 1 s a kill, and 1 minute.`);
  process.exit(0);
}
const report = await runChaos({
  kills: Number(values.kills),
  seed: Number(values.seed),
  devices: Number(values.devices),
  everyMs: 100,
  say: (text) => console.log(text),
});
const { findings, afterKills, afterReplay } = report;
console.log(`${JSON.stringify(report.kills)} in ${report.seconds} s`);
for (const [when, of] of Object.entries({ afterKills, afterReplay })) {
  const { begunCount, safeCount, storedCount, inDoubtCount, droppedCount, refusedCount } = of;
  console.log(
    `${when}: ${begunCount} begun, ${safeCount} in a spool, ${inDoubtCount} in doubt, ` +
      `${droppedCount} dropped, ${refusedCount} refused; ${storedCount} stored, ` +
      `${of.lost.length} lost, ${of.doubled.length} doubled, ${of.strange.length} strange`,
  );
}
console.log(`agent: ${JSON.stringify(report.agent)}`);
console.log(findings.length === 0 ? 'all well' : findings.map((one) => `FAILED ${one}`).join('\n'));
if (values.json !== undefined) {
  writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
}
process.exit(findings.length === 0 ? 0 : 1);
