import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from './lab.ts';
import { interfaceName } from './topology/addresses.ts';

export type Capture = {
  /** Ends it; every packet that had passed is in it. */
  stop(): Promise<void>;
  /** A row a packet that the display filter lets through, with these fields; one that is absent is ''. */
  read(filter: string, fields: readonly string[]): Promise<string[][]>;
};

let captures = 0;

/** What passes on a node's interface, by tshark in its namespace with the kernel's time stamps. */
export const startCapture = async (
  lab: Lab,
  node: string,
  towards: string,
  captureFilter: string,
): Promise<Capture> => {
  captures += 1;
  const file = `${lab.folder}/capture-${node}-${captures}.pcapng`;
  const child = lab.spawn(
    node,
    'tshark',
    ['-q', '-n', '-i', interfaceName(towards), '-f', captureFilter, '-w', file],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const closed = once(child, 'close');
  await new Promise<void>((resolve, reject) => {
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (said.includes('Capturing on')) resolve();
    });
    child.once('close', () => reject(new Error(`tshark in ${node}: ${said}`)));
  });
  // It says so a moment before it is so.
  await sleep(1_000);
  return {
    async stop() {
      // The last packets are handed over in blocks, a moment later.
      await sleep(500);
      child.kill('SIGINT');
      await closed;
    },
    async read(filter, fields) {
      const { stdout, stderr, code } = await lab.exec(node, 'tshark', [
        ...['-n', '-r', file, '-Y', filter, '-T', 'fields'],
        ...fields.flatMap((field) => ['-e', field]),
      ]);
      if (code !== 0) throw new Error(`tshark -r: ${stderr}`);
      return stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => line.split('\t'));
    },
  };
};
