// Logs made up around one planted cause each: the words must name it, and whose fault it was.
import { describe, expect, it } from 'vitest';
import { criticalPath } from '../../src/critical-path/critical-path.ts';
import type { LoggedMember } from '../../src/critical-path/logged-storm.ts';
import { fetched, LINK, member, piece, PIECE_BYTES, refused, sent, storm, told } from './made-up-storm.ts';

/** host-04 has piece 77 from the seeder at 9.2 s and says so at once; what it does with it then is the test's matter. */
const first = piece(77, 'seeder', { asked: 9 });
const seeder = member('seeder', [sent(77, 'host-04', { asked: 9 })]);

function wordsOf(late: LoggedMember, ...others: LoggedMember[]): string {
  return criticalPath(storm(seeder, late, ...others), late).join('\n');
}

describe('why the slowest host was late, in words', () => {
  it('names the host, how late it was, its last piece, and the way of that piece back to the seeder', () => {
    const late = member('host-17', [
      piece(5, 'seeder', { asked: 1 }),
      piece(77, 'host-04', { asked: 9.2 }),
      fetched(0, 13.1),
    ]);
    const words = wordsOf(late, member('host-04', [first, told(9.1, 77), sent(77, 'host-17', { asked: 9.2 })]));
    expect(words).toContain('host-17 had its image at 13.10 s, 3.10 s later than the bound (10.00 s)');
    expect(words).toContain(
      'Its last piece was 77 of pack 3f2a09c1… (256.0 KiB), from host-04: asked for at 9.20 s, whole at 9.30 s',
    );
    expect(words).toContain('host-04 had it from the seeder: asked for at 9.00 s, whole at 9.10 s');
    expect(words).toContain('The seeder had it from the start.');
  });

  it('blames the sender’s disk, where that is what took long', () => {
    const late = member('host-17', [piece(77, 'host-04', { asked: 9.2, first: 11.1 }), fetched(0, 11.2)]);
    const slow = member('host-04', [
      first,
      told(9.1, 77),
      sent(77, 'host-17', { asked: 9.2, admitted: 9.3, read: 11.1 }),
    ]);
    const [headline, hop] = criticalPath(storm(seeder, late, slow), late);
    expect(headline).toContain('longest on the way of its last piece: 1.80 s in which host-04’s disk read it');
    expect(hop).toContain('100 ms until it was its turn at host-04');
  });

  it('says of a slow transfer which part of the link it had, and how many shared it', () => {
    const receivers = Array.from({ length: 11 }, (_, i) =>
      member(`host-${20 + i}`, [piece(i, 'host-04', { asked: 9.2, whole: 10.4 }), fetched(0, 10.5)]),
    );
    const late = member('host-17', [piece(77, 'host-04', { asked: 9.2, whole: 10.4 }), fetched(0, 10.4)]);
    const words = wordsOf(late, member('host-04', [first, told(9.1, 77)]), ...receivers);
    expect(words).toContain('1.20 s for 256.0 KiB, a twelfth of the link, shared by 12 transfers out of host-04.');
  });

  it('says that a link or a host was slow, where nothing shared it', () => {
    const late = member('host-17', [piece(77, 'host-04', { asked: 9.2, whole: 11.3 }), fetched(0, 11.3)]);
    const words = wordsOf(late, member('host-04', [first, told(9.1, 77)]));
    expect(words).toContain(
      '2.10 s for 256.0 KiB, 1/21 of the link, with nothing beside it: a link or a host was slow',
    );
  });

  it('measures a transfer by the slower of the two links, where one is known to be slower', () => {
    const late = member('host-17', [piece(77, 'host-04', { asked: 9.2, whole: 11.2 }), fetched(0, 11.3)]);
    const slow = { ...member('host-04', [first, told(9.1, 77)]), linkBytesPerSecond: LINK / 20 };
    expect(wordsOf(late, slow)).toContain('2.00 s for 256.0 KiB, as fast as the link is');
  });

  it('blames the seeder’s queue, with how many it sent to', () => {
    const late = member('host-17', [piece(77, 'seeder', { asked: 9, first: 11 }), fetched(0, 11.2)]);
    const others = [1, 2, 3].map((i) =>
      member(`host-0${i}`, [piece(i, 'seeder', { asked: 9, first: 9, whole: 11.1 }), fetched(0, 11.2)]),
    );
    const busy = member('seeder', [sent(77, 'host-17', { asked: 9, admitted: 11 })]);
    const words = criticalPath(storm(busy, late, ...others), late).join('\n');
    expect(words).toContain('2.00 s until it was its turn at the seeder, which sent to 4 at once');
  });

  it('blames a sender that said late what it had', () => {
    const late = member('host-17', [piece(77, 'host-04', { asked: 11.2 }), fetched(0, 11.4)]);
    const [headline] = criticalPath(storm(seeder, late, member('host-04', [first, told(11.1, 77)])), late);
    expect(headline).toContain('2.00 s until host-04 said that it had it');
  });

  it('names who lied, and that the piece had to be asked for again', () => {
    const lie = refused(77, 'liar', 'bad', { asked: 9.1, at: 11, bytes: PIECE_BYTES });
    const late = member('host-17', [lie, piece(77, 'host-04', { asked: 11 }), fetched(0, 11.2)]);
    const words = wordsOf(late, member('host-04', [first, told(9.1, 77)]), member('liar', []));
    expect(words).toContain('host-17 had asked liar at 9.10 s, which sent wrong bytes (found at 11.00 s)');
    expect(words).toContain(
      'longest on the way of its last piece: 1.90 s while host-17 had asked somebody else for it',
    );
  });

  it('tells a full window from a node that could have asked and did not', () => {
    const load = {
      line: 'load',
      at: first.asked,
      requests: 2,
      window: 2,
      landing: 0,
      asks: 0,
      unmet: 0,
      parked: 0,
    } as const;
    const busy = [1, 2].map((i) => piece(i, 'host-05', { asked: 9.1, first: 9.5, whole: 10.1 }));
    const late = member('host-17', [load, ...busy, piece(77, 'host-04', { asked: 10.6 }), fetched(0, 10.7)]);
    const words = wordsOf(late, member('host-04', [first, told(9.1, 77)]), member('host-05', []));
    expect(words).toContain('1.00 s while host-17 had as many requests under way as it may');
    expect(words).toContain('500 ms in which host-17 could have asked for it and did not');
  });

  it('blames the receiver’s own disk, and its checking', () => {
    const late = member('host-17', [piece(77, 'seeder', { asked: 9, verified: 9.4, present: 11.4 }), fetched(0, 11.4)]);
    const words = wordsOf(late);
    expect(words).toContain('longest on the way of its last piece: 2.00 s in which host-17’s disk wrote it');
    expect(words).toContain('300 ms in which host-17 checked it');
  });

  it('says so when the time went by after the last piece', () => {
    const late = member('host-17', [piece(77, 'seeder', { asked: 9 }), fetched(0, 12.1)]);
    expect(wordsOf(late)).toContain('; 3.00 s of it after its last piece had come');
  });

  it('knows the origin, and the wait for its budget', () => {
    const late = member('host-17', [piece(77, undefined, { asked: 9, first: 11, waited: 1900 }), fetched(0, 11.2)]);
    const words = wordsOf(late);
    expect(words).toContain('from the origin: asked for at 9.00 s');
    expect(words).toContain('1.90 s until the origin’s budget, and memory, allowed the read');
  });

  it('goes as far as the logs go, and names those that are missing', () => {
    const late = member('host-17', [piece(77, 'host-04', { asked: 9.2 }), fetched(0, 9.4)]);
    const words = wordsOf(late, member('host-04', undefined));
    expect(words).toContain('How it came to host-04 nobody can tell: there is no log.');
    expect(words).toContain('There are no logs of host-04.');
    expect(wordsOf(member('host-17', undefined))).toContain('nobody can tell');
    expect(wordsOf(member('host-17', []))).toContain('its log tells of no fetch that ended');
    expect(wordsOf(member('host-17', [fetched(0, 1)]))).toContain('No piece came to it');
  });

  it('tells an image that was made on the sender’s host from one that was there before', () => {
    const late = member('host-17', [
      piece(77, 'host-04', { asked: 9.2 }),
      piece(5, 'host-05', { asked: 1 }),
      fetched(0, 9.4),
    ]);
    const maker = member('host-04', [{ line: 'appeared', pack: first.pack, piece: 77, at: first.asked }]);
    expect(wordsOf(late, maker)).toContain('Host-04 had made it itself, at 9.00 s.');
    expect(wordsOf(late, member('host-04', []))).toContain('Host-04 had it from the start.');
  });

  it('does not go round in circles when two logs name each other', () => {
    const one = member('host-01', [piece(77, 'host-02', { asked: 1 }), fetched(0, 2)]);
    const other = member('host-02', [piece(77, 'host-01', { asked: 1 }), fetched(0, 2)]);
    expect(criticalPath(storm(one, other), one).length).toBeLessThan(12);
  });
});

describe('what the time went into', () => {
  it('is told of the host and of the median one, with what made the difference', () => {
    const quick = [1, 2, 3].map((i) =>
      member(`host-0${i}`, [...[0, 1, 2, 3].map((j) => piece(j, 'seeder', { asked: j / 10 })), fetched(0, 0.4)]),
    );
    const late = member('host-17', [
      piece(0, 'seeder', { asked: 0 }),
      piece(1, 'host-01', { asked: 0.1, first: 0.7 }),
      piece(2, 'host-01', { asked: 0.8, whole: 1 }),
      fetched(0, 1),
    ]);
    const words = criticalPath(storm(seeder, late, ...quick), late).join('\n');
    expect(words).toContain(
      'Of the 1.00 s of its fetch: 60 % with peers asked and nothing coming; 30 % for the bytes at the speed of its link; 10 % with bytes coming more slowly',
    );
    expect(words).toContain(
      'The median of 4 hosts took 400 ms: 100 % for the bytes at the speed of its link. This host had 600 ms more with peers asked and nothing coming.',
    );
  });

  it('says when all were alike', () => {
    const hosts = [1, 2, 3].map((i) => member(`host-0${i}`, [piece(0, 'seeder', { asked: 0.1 }), fetched(0, 0.2)]));
    expect(wordsOf(hosts[0] as LoggedMember, ...hosts.slice(1))).toContain('This host was hardly slower.');
  });
});
