import { randomUUID } from 'node:crypto';
import type { ClientRequest, IncomingHttpHeaders } from 'node:http';
import { request } from 'node:https';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { collectorServerName } from '#contract/enrollment.ts';
import { type CollectorLab, type Holder, startCollectorLab } from '#test/support/collector-lab.ts';

let lab: CollectorLab;
beforeAll(async () => {
  lab = await startCollectorLab({ diagnoseDelayMs: 600_000 });
}, 120_000);
afterAll(() => lab.stop(), 60_000);

const jpeg = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), Buffer.alloc(2_000, 7)]);
type Begun = {
  outgoing: ClientRequest;
  answer: Promise<{ status: number; headers: IncomingHttpHeaders }>;
};

/** Sends all of a body but its last byte: whoever answers has not waited for the whole of it. */
const begin = (as: Holder, { path, method, body, headers }: ReturnType<typeof artefact>): Begun => {
  const outgoing = request(lab.deviceUrl + path, {
    method,
    agent: false,
    servername: collectorServerName,
    rejectUnauthorized: false,
    cert: as.certificatePem,
    key: as.privateKeyPem,
    headers: { ...headers, 'content-length': body.length },
  });
  const answer = new Promise<{ status: number; headers: IncomingHttpHeaders }>(
    (resolve, reject) => {
      outgoing.on('error', reject);
      outgoing.on('response', (incoming) => {
        incoming.resume();
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers });
      });
    },
  );
  answer.catch(() => {});
  outgoing.write(body.subarray(0, -1));
  return { outgoing, answer };
};
const artefact = () => ({
  path: `/v1/artefacts/${randomUUID()}/screenshot?app=crm`,
  method: 'PUT',
  body: jpeg,
  headers: { 'content-type': 'image/jpeg' } as Record<string, string>,
});
const batch = (): ReturnType<typeof artefact> => ({
  path: '/v1/ingest',
  method: 'POST',
  body: gzipSync(
    JSON.stringify({ version: 1, id: randomUUID(), sentAt: Date.now(), records: [{}] }),
  ),
  headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
});
const whole = async (as: Holder, { path, method, body, headers }: ReturnType<typeof artefact>) =>
  (await lab.device(path, { method, as, raw: body, headers })).status;

describe.each([
  ['an artefact', artefact, 204],
  ['a batch', batch, 400],
] as const)('the body of %s', (_, make, taken) => {
  test('has its place before it is read: the third of a device is refused, and no other device waits', async () => {
    const greedy = await lab.enrollDevice('greedy');
    const other = await lab.enrollDevice('other');
    const begun = Array.from({ length: 6 }, () => begin(greedy, make()));
    const early: { status: number; headers: IncomingHttpHeaders }[] = [];
    for (const { answer } of begun) void answer.then((one) => early.push(one)).catch(() => {});
    await expect.poll(() => early.length, { timeout: 20_000 }).toBe(4);
    for (const { status, headers } of early) {
      expect(status).toBe(503);
      expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    }
    expect(await whole(other, make())).toBe(taken);
    // Who hangs up gives its places back.
    for (const { outgoing } of begun) outgoing.destroy();
    await expect.poll(() => whole(greedy, make()), { timeout: 20_000 }).toBe(taken);
  }, 60_000);

  test('is taken one after the other on a connection that stays', async () => {
    const device = await lab.enrollDevice('usual');
    for (let sent = 0; sent < 5; sent += 1) expect(await whole(device, make())).toBe(taken);
  });
});
