import type { Command } from 'commander';
import { type Api, type ApiOptions, connectApi, withApiOptions } from './api.ts';
import { type DeviceLine, findDevice } from './find-device.ts';

export const registerDevice = (program: Command): void => {
  withApiOptions(
    program
      .command('device')
      .description('devices')
      .command('assign')
      .description('say who uses a device, and what it is labelled with; access rules go by it')
      .argument('<device>', 'its name, or its id')
      .option('--user <id>', 'one of the declared users')
      .option('--no-user', 'nobody is named any more')
      .option('--label <labels...>', 'all labels it has from now on')
      .option('--no-label', 'no label any more'),
  ).action(async (wanted: string, options: ApiOptions & Wish) => {
    const device = await assign(connectApi(options), wanted, options);
    const labels = device.labels.length === 0 ? 'no label' : device.labels.join(', ');
    console.log(`${device.name} (${device.id}): ${device.userId ?? 'nobody is named'}, ${labels}`);
  });
};

/** Commander: `true` where neither the option nor its negation was given, `false` for the negation. */
type Wish = { user?: string | boolean; label?: string[] | boolean };

const assign = async (api: Api, wanted: string, { user, label }: Wish): Promise<DeviceLine> => {
  const device = await findDevice(api, wanted);
  const next = {
    userId: user === false ? null : typeof user === 'string' ? user : device.userId,
    labels: label === false ? [] : Array.isArray(label) ? label : device.labels,
  };
  await api.call('PUT', `/v1/devices/${device.id}/assignment`, next);
  return { ...device, ...next };
};
