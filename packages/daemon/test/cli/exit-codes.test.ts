import { readFileSync } from 'node:fs';
import { CodedError } from '@quarry/runtime';
import { describe, expect, test } from 'vitest';
import { exitCodeFor, exitCodes, Interrupted } from '../../src/cli/exit-codes.ts';

describe('exit codes', () => {
  test('are documented as the table says', () => {
    const page = readFileSync(new URL('../../../../docs/cli.md', import.meta.url), 'utf8');
    const documented = [...page.matchAll(/^\| (\d+) \| (.+) \|$/gm)].map(([, code, doc]) => ({
      code: Number(code),
      doc,
    }));
    expect(documented).toEqual(Object.values(exitCodes).map(({ code, doc }) => ({ code, doc })));
  });

  test.each([
    ['CONFIG_UNKNOWN_KEY', 2],
    ['ORIGIN_NOT_FOUND', 3],
    ['SWARM_NO_SOURCE', 3],
    ['ORIGIN_UNAVAILABLE', 4],
    ['ORIGIN_NO_RANGE', 4],
    ['ORIGIN_BAD_URL', 2],
    ['CONTROL_NO_DAEMON', 4],
    ['CONTENT_DIGEST_MISMATCH', 5],
    ['STORE_LOCKED', 6],
    ['STORE_DISK_FULL', 7],
    ['ENOSPC', 7],
    ['SOMETHING_ELSE', 1],
  ])('%s ends with %i', (code, expected) => {
    expect(exitCodeFor(new CodedError(code, 'message'))).toBe(expected);
  });

  test('follow the daemon’s own code across the control socket', () => {
    expect(
      exitCodeFor(
        new CodedError('CONTROL_REMOTE', 'message', {
          details: { codes: ['IMAGE_SOURCE_FAILED', 'ORIGIN_NOT_FOUND'] },
        }),
      ),
    ).toBe(3);
  });

  test('say why nobody has an image, where the origin refused or was silent', () => {
    const forbidden = new CodedError('ORIGIN_FORBIDDEN', 'deactivated');
    expect(exitCodeFor(new CodedError('IMAGE_NOT_FOUND', 'nobody', { cause: forbidden }))).toBe(4);
    expect(exitCodeFor(new CodedError('IMAGE_NOT_FOUND', 'nobody'))).toBe(3);
  });

  test('follow the cause where the error itself says nothing', () => {
    expect(exitCodeFor(new Error('outer', { cause: new CodedError('STORE_DISK_FULL', 'inner') }))).toBe(7);
  });

  test('Ctrl-C ends with 130, also where it is only the cause', () => {
    expect(exitCodeFor(new Interrupted('SIGINT'))).toBe(130);
    expect(exitCodeFor(new Error('aborted', { cause: new Interrupted('SIGINT') }))).toBe(130);
  });
});
