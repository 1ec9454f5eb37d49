import { join } from 'node:path';
import { startCollector } from '#collector/collector.ts';
import { type CollectorProgramConfig, collectorDefaults } from '#collector/config.ts';
import { silentLog } from '#runtime/log.ts';
import { layEmptyState } from './empty-state.ts';

/**
 * A collector as a process of its own, so that it can be killed: FOLDER DIAGNOSE_DELAY_MS, and what else
 * its config has, as JSON.
 */
const [stateFolder = '', diagnoseDelayMs = '0', more = '{}'] = process.argv.slice(2);
const changes = JSON.parse(more) as Partial<CollectorProgramConfig>;
if (changes.state === undefined) await layEmptyState(join(stateFolder, 'state'));
const listen = { host: '127.0.0.1', port: 0 };
const { deviceUrl, operatorUrl, operatorToken } = await startCollector(
  {
    ...collectorDefaults,
    stateFolder,
    deviceListen: listen,
    operatorListen: listen,
    diagnoseDelayMs: Number(diagnoseDelayMs),
    ...changes,
  },
  { log: silentLog() },
);
process.stdout.write(`${JSON.stringify({ deviceUrl, operatorUrl, operatorToken })}\n`);
