import { delimiter } from 'node:path';
import { describe, expect, it } from 'vitest';
import { attachLab } from '../lab.ts';
import { checkLabName } from './names.ts';
import { checkRequirements } from './requirements.ts';

describe('what the lab needs', () => {
  const searchPath = ['/usr/sbin', '/sbin', '/usr/bin', '/bin'].join(delimiter);

  it.runIf(process.platform === 'linux')('says that it needs root', () => {
    expect(() => checkRequirements({ userId: 1000, searchPath })).toThrow(
      'the lab makes network namespaces and needs root: run it with sudo',
    );
  });

  it.runIf(process.platform === 'linux')('names what is missing and the packages it is in', () => {
    expect(() => checkRequirements({ userId: 0, searchPath: '/nowhere' })).toThrow(
      'the lab needs ip, bridge, tc, iptables-restore, ip6tables-restore: apt-get install iproute2 iptables',
    );
  });

  it.each(['', 'Lab', '1lab', 'a-b', '../x', 'abcdefghijklm'])('refuses the name "%s"', (name) => {
    expect(() => checkLabName(name)).toThrow('is no name for a lab');
  });

  it('says when there is nothing to attach to', async () => {
    await expect(attachLab('nosuchlab')).rejects.toThrow('the lab "nosuchlab" is not up');
  });
});
