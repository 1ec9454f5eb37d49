import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { createResolve } from '#edge/resolve.ts';
import { startNameServer } from '#test/support/name-server.ts';
import { makeTemporaryFolder } from '#test/support/temporary-folder.ts';

const startNames = async () => {
  const names = await startNameServer({
    'both.test': { A: { data: ['192.0.2.1', '192.0.2.2'] }, AAAA: { data: ['2001:db8::1'] } },
    'four.test': { A: { data: ['192.0.2.9'] } },
    'silent.test': { A: { isSilent: true }, AAAA: { isSilent: true } },
  });
  onTestFinished(() => names.stop());
  return names;
};

it('asks for both families and lets them take turns, IPv6 first', async () => {
  const names = await startNames();
  const resolve = createResolve({ servers: [names.address] });
  const found = await resolve('BOTH.test.');
  expect(found).toMatchObject({ ok: true });
  expect(found.ok && found.addresses[0]).toBe('2001:db8::1');
  expect(found.ok && new Set(found.addresses)).toEqual(
    new Set(['2001:db8::1', '192.0.2.1', '192.0.2.2']),
  );
  expect(found.dnsMs).toBeGreaterThan(0);
  expect(await resolve('four.test')).toMatchObject({ ok: true, addresses: ['192.0.2.9'] });
});

it('takes literals and hosts-file names without asking anyone', async () => {
  const names = await startNames();
  const folder = await makeTemporaryFolder();
  const hostsFile = join(folder, 'hosts');
  await writeFile(hostsFile, '127.0.0.1 localhost\n192.0.2.5 Fixed.test alias # comment\n');
  const resolve = createResolve({ servers: [names.address], hostsFile });
  expect(await resolve('[::1]')).toEqual({ ok: true, addresses: ['::1'], dnsMs: null });
  expect(await resolve('fixed.test')).toEqual({ ok: true, addresses: ['192.0.2.5'], dnsMs: null });
  expect(await resolve('x.localhost')).toMatchObject({ addresses: ['127.0.0.1', '::1'] });
  expect(names.questions).toEqual([]);
});

it('tells a name that does not exist from a server that does not answer', async () => {
  const names = await startNames();
  const resolve = createResolve({ servers: [names.address] });
  expect(await resolve('missing.test')).toMatchObject({ ok: false, timedOut: false });
  expect(await resolve('silent.test')).toMatchObject({ ok: false, timedOut: true });
});
