import { startCollector } from '#collector/collector.ts';
import { collectorDefaults } from '#collector/config.ts';
import { silentLog } from '#runtime/log.ts';

/** A collector as a process of its own, so that it can be killed: FOLDER DIAGNOSE_DELAY_MS. */
const [stateFolder = '', diagnoseDelayMs = '0'] = process.argv.slice(2);
const listen = { host: '127.0.0.1', port: 0 };
const { deviceUrl, operatorUrl, operatorToken } = await startCollector(
  {
    ...collectorDefaults,
    stateFolder,
    deviceListen: listen,
    operatorListen: listen,
    diagnoseDelayMs: Number(diagnoseDelayMs),
  },
  { log: silentLog() },
);
process.stdout.write(`${JSON.stringify({ deviceUrl, operatorUrl, operatorToken })}\n`);
