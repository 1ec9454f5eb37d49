import { testLabName } from '#test/lab/build/lab-name.ts';
import { startCapture } from '#test/lab/capture.ts';
import { type Lab, raiseLab } from '#test/lab/lab.ts';
import { startProber } from '#test/lab/prober.ts';
import { twoSites } from '#test/lab/topology/two-sites.ts';
import { phasesOnWire } from '#test/probes/wire-times.ts';
import { httpProbe } from '#test/support/probe-context.ts';
import { allowedMs, percentile, type Row, rounded } from '../rows.ts';
import { curlArguments, ownPhases, type Phases, phaseNames, readPhases } from './curl.ts';

const node = 'a2';
/** Long enough to tell the answer from the session tickets that come before it. */
const thinkMs = 30;
/** Slow enough for TLS records that fit a packet or two: of a larger one the first byte is read with its last. */
const bytesPerSecond = 100_000;
const url = 'https://crm.saas.test/bytes/20000';
const warmUpTurns = 30;

/** Ours and curl's by turns, each phase beside the packets that began and ended it. */
export const phasesBesideWire = async (turns: number): Promise<Row[]> => {
  const lab = await raiseLab({ topology: twoSites, name: testLabName() });
  try {
    await lab.services.set('s1', { thinkMs, bytesPerSecond });
    return rowsOf(await takeTurns(lab, turns));
  } finally {
    await lab.down();
  }
};

type Seen = { ours: Phases; curl: Phases; oursOnWire: Phases; curlOnWire: Phases };

const takeTurns = async (lab: Lab, turns: number): Promise<Seen[]> => {
  const prober = startProber(lab, node, { first: true });
  const askOurs = async () => {
    const probe = httpProbe(url, { family: 'ipv4', httpVersion: '1.1' });
    return ownPhases((await prober.http(probe)).body.exchanges[0]?.phases);
  };
  const askCurl = async () => {
    // Before all ordinary threads, as our prober is.
    const words = ['-f', '1', 'curl', ...curlArguments(url, `${lab.folder}/ca.pem`, '-4')];
    return readPhases((await lab.exec(node, 'chrt', words)).stdout);
  };
  try {
    for (let turn = 0; turn < warmUpTurns; turn += 1) await askOurs();
    const capture = await startCapture(lab, node, 'apa', 'tcp port 443 or udp port 53');
    const pairs: { ours: Phases; curl: Phases }[] = [];
    for (let turn = 0; turn < turns; turn += 1) {
      pairs.push({ ours: await askOurs(), curl: await askCurl() });
    }
    await capture.stop();
    const onWire = await phasesOnWire(capture, { thinkMs });
    if (onWire.length !== 2 * turns) {
      throw new Error(`${onWire.length} connections on the wire, ${2 * turns} made`);
    }
    return pairs.map((pair, turn) => ({
      ...pair,
      oursOnWire: onWire[2 * turn] as Phases,
      curlOnWire: onWire[2 * turn + 1] as Phases,
    }));
  } finally {
    await prober.stop();
  }
};

const rowsOf = (seen: readonly Seen[]): Row[] =>
  phaseNames.map((name): Row => {
    const ours = seen.map((turn) => turn.ours[name] - turn.oursOnWire[name]);
    const curl = seen.map((turn) => turn.curl[name] - turn.curlOnWire[name]);
    const usual = percentile(
      seen.map(({ oursOnWire }) => oursOnWire[name]),
      0.5,
    );
    const p95 = percentile(ours.map(Math.abs), 0.95);
    const peer = percentile(curl.map(Math.abs), 0.95);
    return {
      name: `https ${name.replace('Ms', '')}, apart from the wire p95 (median ${rounded(percentile(ours, 0.5))} of ${usual.toFixed(1)}); peer: curl`,
      unit: 'ms',
      ours: rounded(p95),
      peer: rounded(peer),
      ratio: rounded(p95 / peer),
      target: `≤ ${allowedMs(usual).toFixed(2)}`,
      met: p95 <= allowedMs(usual),
    };
  });
