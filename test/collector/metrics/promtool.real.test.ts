import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { startCollectorLab } from '#test/support/collector-lab.ts';
import { findProgram } from '#test/support/server-process.ts';
import { makeEvent } from '#test/support/telemetry.ts';

test('promtool finds nothing to mend in /metrics', async () => {
  const promtool = findProgram('promtool', 'prometheus');
  const lab = await startCollectorLab({ metrics: 'public' });
  try {
    const device = await lab.enrollDevice();
    await lab.postBatch(device, [makeEvent(device.id, 'one')]);
    await lab.operator('/nowhere');
    const { text, status } = await lab.operator('/metrics', { token: null });
    expect(status).toBe(200);
    const checked = spawnSync(promtool, ['check', 'metrics'], { input: text, encoding: 'utf8' });
    expect(checked.stdout + checked.stderr).toBe('');
    expect(checked.status).toBe(0);
    const wrong = `${text}\nwhyslow_things_total{a="1"} 1\nwhyslow_things_total{a="1"} 2\n`;
    expect(spawnSync(promtool, ['check', 'metrics'], { input: wrong }).status).not.toBe(0);
  } finally {
    await lab.stop();
  }
}, 120_000);
