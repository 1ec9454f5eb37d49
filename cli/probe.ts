import type { Command } from 'commander';
import type { ProbeDefinition } from '#contract/plan.ts';
import { createProbers, runProbe, stopProbers, type TypedOutcome } from '#probes/registry.ts';
import { type ArtefactFiles, checkArtefactFiles, writeArtefacts } from './probe/artefact-files.ts';
import { describeTcp, describeTls } from './probe/connection-text.ts';
import { openContext } from './probe/context.ts';
import { describeDns } from './probe/dns-text.ts';
import { describeHttp } from './probe/http-text.ts';
import { printable, printableJson } from './probe/lines.ts';
import { type CommonOptions, withCommonOptions, withTypeOptions } from './probe/options.ts';
import { describePath } from './probe/other-text.ts';
import { describePage } from './probe/page-text.ts';
import { describeSelf } from './probe/self-text.ts';
import {
  type DnsOptions,
  defineDns,
  defineHttp,
  definePage,
  definePath,
  defineTcp,
  defineTls,
  defineVoice,
  type HttpOptions,
  type PageOptions,
  type PathOptions,
  type TcpOptions,
  type TlsOptions,
  type VoiceOptions,
} from './probe/target.ts';
import { describeVoice } from './probe/voice-text.ts';
import { warmUp } from './probe/warm-up.ts';

/** `whyslow probe http|path|page|dns|tcp|tls|voice TARGET`: one measurement by hand. */
export const registerProbe = (program: Command): void => {
  const probe = program
    .command('probe')
    .description('measure one target now, from here, and say where the time goes');
  const add = (name: string, what: string) =>
    withTypeOptions(name, withCommonOptions(probe.command(`${name} <target>`).description(what)));

  add('http', 'time an HTTP or HTTPS request phase by phase').action(
    (target: string, options: HttpOptions) => runAndShow(defineHttp(target, options), options),
  );
  add('path', 'find the hops to a host and the round trip to it').action(
    (target: string, options: PathOptions) => runAndShow(definePath(target, options), options),
  );
  add('page', 'load a page in the installed browser').action(
    (target: string, options: PageOptions) => runAndShow(definePage(target, options), options),
  );
  add('dns', 'ask a name server for records').action((target: string, options: DnsOptions) =>
    runAndShow(defineDns(target, options), options),
  );
  add('tcp', 'connect to HOST:PORT, and nothing more').action(
    (target: string, options: TcpOptions) => runAndShow(defineTcp(target, options), options),
  );
  add('tls', 'make a TLS handshake with HOST or HOST:PORT and show its certificates').action(
    (target: string, options: TlsOptions) => runAndShow(defineTls(target, options), options),
  );
  add('voice', 'send a stream like a call’s to a STAMP reflector, HOST or HOST:PORT').action(
    (target: string, options: VoiceOptions) => runAndShow(defineVoice(target, options), options),
  );
};

/** Exit code 1: it was measured, and the measurement failed. */
const runAndShow = async (
  probe: ProbeDefinition,
  options: CommonOptions & ArtefactFiles,
): Promise<void> => {
  checkArtefactFiles(options);
  const context = openContext(options);
  const probers = createProbers();
  // A path's count is its packets; everything else is run that often.
  const runs = probe.type === 'path' ? 1 : (options.count ?? 1);
  try {
    const { createSelfChecks } = await import('#agent/self-check.ts');
    const checks = createSelfChecks();
    await warmUp(probers, probe, context);
    for (let i = 0; i < runs && !context.signal.aborted; i++) {
      const check = checks.start();
      const { artefacts = [], ...outcome } = await runProbe(probers, probe, context);
      const checked = check.finish();
      writeArtefacts(artefacts, options);
      if (outcome.failure !== null) process.exitCode = 1;
      if (i > 0 && options.json !== true) console.log('');
      console.log(
        options.json === true
          ? printableJson({ ...outcome, ...checked })
          : printable([describe(outcome), ...describeSelf(checked)].join('\n')),
      );
    }
  } finally {
    await stopProbers(probers);
    context.close();
  }
};

const describe = (outcome: TypedOutcome): string => {
  switch (outcome.type) {
    case 'http':
      return describeHttp(outcome);
    case 'path':
      return describePath(outcome);
    case 'page-load':
      return describePage(outcome);
    case 'dns':
      return describeDns(outcome);
    case 'tcp':
      return describeTcp(outcome);
    case 'tls':
      return describeTls(outcome);
    case 'voice':
      return describeVoice(outcome);
  }
};
