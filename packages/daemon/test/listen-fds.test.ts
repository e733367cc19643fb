import { describe, expect, test } from 'vitest';
import { findInheritedSocket, parseListenFds } from '../src/listen-fds.ts';

const environment = { LISTEN_PID: '77', LISTEN_FDS: '2', LISTEN_FDNAMES: 'gateway:metrics' };

describe('sockets handed over by systemd', () => {
  test('begin at descriptor 3 and have the names of their units', () => {
    expect(parseListenFds(environment, 77)).toEqual([
      { fd: 3, name: 'gateway' },
      { fd: 4, name: 'metrics' },
    ]);
  });

  test('are none where the variables are meant for another process, missing, or no numbers', () => {
    expect(parseListenFds(environment, 78)).toEqual([]);
    expect(parseListenFds({}, 77)).toEqual([]);
    for (const LISTEN_FDS of ['-1', '1x', '', '99999', ' 1'])
      expect(parseListenFds({ ...environment, LISTEN_FDS }, 77)).toEqual([]);
    expect(parseListenFds({ ...environment, LISTEN_PID: '077' }, 77)).toEqual([]);
  });

  test('have no name where the unit gave none, and a single one is then taken for what is asked', () => {
    const [first, ...rest] = parseListenFds({ LISTEN_PID: '77', LISTEN_FDS: '1' }, 77);
    expect(first).toEqual({ fd: 3, name: 'unknown' });
    expect(rest).toEqual([]);
    expect(findInheritedSocket([{ fd: 3, name: 'unknown' }], 'gateway')?.fd).toBe(3);
  });

  test('are not mixed up: of several, or of one with another name, none is taken for one that is not there', () => {
    expect(findInheritedSocket(parseListenFds(environment, 77), 'metrics')?.fd).toBe(4);
    expect(findInheritedSocket(parseListenFds(environment, 77), 'exports')).toBeUndefined();
    expect(findInheritedSocket([{ fd: 3, name: 'exports' }], 'gateway')).toBeUndefined();
    const nameless = [3, 4].map((fd) => ({ fd, name: 'unknown' }));
    expect(findInheritedSocket(nameless, 'gateway')).toBeUndefined();
  });
});
