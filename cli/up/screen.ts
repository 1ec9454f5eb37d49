import type { Verdict } from '#contract/verdict.ts';
import type { ReceivedWebhook } from './webhook-listener.ts';

export type Ready = {
  pageUrl: string;
  proxyPort: number;
  socksPort: number;
  caFile: string;
  exampleUrl: string;
  slowName: string;
  logFolder: string;
};

const colours = process.stdout.isTTY === true && process.stdout.hasColors?.() === true;
const paint = (code: number) => (text: string) =>
  colours ? `\u001b[${code}m${text}\u001b[0m` : text;
const bold = paint(1);
const dim = paint(2);
const red = paint(31);
const green = paint(32);
const yellow = paint(33);

const write = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

const line = (label: string, text: string) => `  ${label.padEnd(14)}${text}`;
const time = () => dim(new Date().toTimeString().slice(0, 8));

/** What `npm start` prints: one screen, then a line for each thing that changes. */
export const createScreen = () => ({
  starting(folder: string, temporary: boolean): void {
    write(`Starting whyslow; data in ${folder}${temporary ? ' (deleted at the end)' : ''} …`);
  },

  ready(ready: Ready): void {
    const { proxyPort, socksPort } = ready;
    write(
      [
        '',
        bold('  whyslow is running – Ctrl-C stops everything'),
        '',
        line('Triage page', bold(ready.pageUrl)),
        line(
          'Local proxy',
          `http://127.0.0.1:${proxyPort}   SOCKS5 127.0.0.1:${socksPort}   PAC http://127.0.0.1:${proxyPort}/proxy.pac`,
        ),
        line(
          'Try',
          `curl --cacert ${ready.caFile} -x http://127.0.0.1:${proxyPort} ${ready.exampleUrl}`,
        ),
        line('Logs', ready.logFolder),
        '',
        line('Waiting for', `the first verdict on ${ready.slowName}, which is slow on purpose …`),
      ].join('\n'),
    );
  },

  /** Something this machine lacks: what, and how to get it. */
  lacking(what: string, how: string): void {
    write(`${time()}  ${yellow(`without ${what}`)}: ${how}`);
  },

  tunnel(text: string): void {
    write(`${time()}  ${text}`);
  },

  verdict({ state, sentence, action, confidence }: Verdict): void {
    const mark = state === 'ok' ? green('✓') : state === 'inconclusive' ? yellow('?') : red('●');
    write(`${time()}  ${mark} ${state === 'ok' ? sentence : bold(sentence)}`);
    if (state !== 'ok')
      write(`            ${dim(`${action} (confidence ${Math.round(confidence * 100)} %)`)}`);
  },

  webhook({ message }: ReceivedWebhook): void {
    const about = 'incident' in message ? message.incident.element.name : message.application.name;
    write(`${time()}  → webhook ${message.type} for ${about} received, signature valid`);
  },

  restarting(name: string, reason: string, logFile: string): void {
    write(
      `${time()}  ${yellow(`${name} ended (${reason}) and is started again`)}; its log: ${logFile}`,
    );
  },

  stopping(): void {
    write('\nStopping …');
  },

  stopped(): void {
    write('Everything is stopped.');
  },
});

export type Screen = ReturnType<typeof createScreen>;
