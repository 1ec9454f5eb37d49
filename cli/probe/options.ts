import { type Command, InvalidArgumentError, Option } from 'commander';
import { familyChoices } from '#contract/body/connection.ts';
import { dnsRecordTypes } from '#contract/body/dns.ts';
import { httpMethods, httpVersionChoices } from '#contract/body/http.ts';
import { pathProtocols } from '#contract/body/path.ts';
import { stampBytes } from '#contract/stamp.ts';
import type { ProxyAddress } from '#probes/probe.ts';

/** What every kind of run takes. */
export type CommonOptions = {
  json?: true;
  proxy?: ProxyAddress;
  timeout?: number;
  ca?: string[];
  count?: number;
  browser?: string;
};

export const withCommonOptions = (command: Command): Command =>
  command
    .option('--json', 'print the outcome as one line of JSON (a line for each run)')
    .option('--timeout <seconds>', 'give up after this long', readSeconds);

/** The options that make sense for a kind, so that others are refused and not ignored. */
export const withTypeOptions = (kind: string, command: Command): Command => {
  switch (kind) {
    case 'http':
      return withFamily(withTrust(withProxy(withRuns(command))))
        .addOption(
          new Option('--method <method>', 'how to ask').choices([...httpMethods]).default('GET'),
        )
        .option('--body <text>', 'send this as the request’s body')
        .option('--header <name:value>', 'send this too (may be repeated)', collectHeader)
        .option(
          '--expect-status <codes>',
          'statuses that count as success, as in 200,204',
          readStatuses,
        )
        .option('--expect-body <text>', 'text that must be in the answer')
        .option('--max-redirects <count>', 'follow so many redirects', readRedirects)
        .option('--max-bytes <count>', 'read no more of a body', readBytes)
        .addOption(
          new Option('--http-version <version>', 'HTTP/2 where the server has it, or only this')
            .choices([...httpVersionChoices])
            .default('auto'),
        )
        .option('--warm', 'ask once more on the same connection; a figure of its own');
    case 'path':
      return command
        .addOption(new Option('--protocol <protocol>', 'what to send').choices([...pathProtocols]))
        .option('--port <port>', 'for tcp and udp', readPort)
        .option('--count <packets>', 'packets for each hop, 3 to 20', readPackets);
    case 'page':
      return withTrust(withProxy(withRuns(command)))
        .option('--browser <path>', 'the Chrome, Chromium or Edge to use')
        .option('--steps <file>', 'then do these steps (YAML or JSON, as in the organisation)')
        .option('--secrets <file>', 'secrets that steps name, `NAME: secret` lines, mode 0600')
        .option('--har <file>', 'write what was loaded there, as an HTTP archive')
        .option('--screenshot <file>', 'write a picture of the page there (JPEG)');
    case 'tcp':
      return withFamily(withProxy(withRuns(command)));
    case 'tls':
      return withFamily(withTrust(withProxy(withRuns(command))))
        .option('--server-name <name>', 'ask for this name instead of the host’s')
        .option('--alpn <protocols>', 'offer these, as in h2,http/1.1', splitList)
        .option('--warn-days <days>', 'warn below so many days left', readDays, 14);
    case 'voice':
      return withRuns(command)
        .option('--seconds <seconds>', 'length of the stream', readStreamSeconds, 10)
        .option('--rate <packets>', 'packets a second', readRate, 50)
        .option('--bytes <bytes>', 'bytes a packet', readStampBytes, 172)
        .option('--playout <ms>', 'wait of the play-out buffer', readPlayout, 60);
    default:
      return withTrust(withRuns(command))
        .addOption(
          new Option('--record <type>', 'kind of record').choices([...dnsRecordTypes]).default('A'),
        )
        .option(
          '--server <server>',
          'name server to ask: ADDRESS, ADDRESS:PORT, tcp://ADDRESS, tls://HOST or https://HOST/dns-query',
        )
        .option(
          '--compare <server>',
          'ask this one beside it and say what differs (may be repeated, up to 7)',
          collectText,
        );
  }
};

const withFamily = (command: Command): Command =>
  command.addOption(
    new Option('--family <family>', 'connect over this one only')
      .choices([...familyChoices])
      .default('any'),
  );

const splitList = (text: string): string[] => text.split(',').slice(0, 8);

const withRuns = (command: Command): Command =>
  command.option('--count <runs>', 'measure so many times', wholeNumber(1, 1_000));

const withProxy = (command: Command): Command =>
  command.option('--proxy <host:port>', 'go through this CONNECT proxy (the agent’s)', readProxy);

const withTrust = (command: Command): Command =>
  command.option('--ca <file>', 'trust this CA too (PEM; may be repeated)', collectText);

const collectText = (text: string, texts: string[] = []): string[] => [...texts, text];

const wholeNumber =
  (lowest: number, highest: number) =>
  (text: string): number => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= lowest && value <= highest) return value;
    throw new InvalidArgumentError(`Give a whole number from ${lowest} to ${highest}.`);
  };

const readPort = wholeNumber(1, 65_535);
const readDays = wholeNumber(0, 3_650);
const readStreamSeconds = wholeNumber(1, 60);
const readRate = wholeNumber(1, 100);
const readStampBytes = wholeNumber(stampBytes.shortest, stampBytes.longest);
const readPlayout = wholeNumber(0, 1_000);
const readPackets = wholeNumber(3, 20);
const readRedirects = wholeNumber(0, 10);
const readBytes = wholeNumber(1, 100_000_000);

const readSeconds = (text: string): number => {
  const value = Number(text);
  if (value >= 0.1 && value <= 600) return value;
  throw new InvalidArgumentError('Give seconds from 0.1 to 600, as in 2.5.');
};

const readProxy = (text: string): ProxyAddress => {
  const [, host, port] = /^(?:http:\/\/)?(\[[^\]]+\]|[^:/]+):(\d+)\/?$/.exec(text) ?? [];
  if (host === undefined || port === undefined) {
    throw new InvalidArgumentError('Give it as HOST:PORT, as in 127.0.0.1:8118.');
  }
  return { host: host.replace(/^\[|\]$/g, ''), port: readPort(port) };
};

const readStatuses = (text: string): number[] =>
  text.split(',').map((code) => {
    const value = Number(code);
    if (Number.isInteger(value) && value >= 100 && value <= 599) return value;
    throw new InvalidArgumentError(
      `"${code}" is no status: give numbers from 100 to 599, as in 200,204.`,
    );
  });

const collectHeader = (text: string, headers: Record<string, string> = {}) => {
  const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+):\s*(.*)$/.exec(text) ?? [];
  if (name === undefined || value === undefined) {
    throw new InvalidArgumentError('Give it as NAME:VALUE, as in "X-Team: blue".');
  }
  return { ...headers, [name]: value };
};
