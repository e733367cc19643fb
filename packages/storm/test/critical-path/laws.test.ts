import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chainTo } from '../../src/critical-path/chain.ts';
import { criticalPath } from '../../src/critical-path/critical-path.ts';
import type { LoggedMember } from '../../src/critical-path/logged-storm.ts';
import { parseNodeLog } from '../../src/critical-path/node-log.ts';
import { sourcesByHost } from '../../src/critical-path/sources-by-host.ts';
import { timeSpent } from '../../src/critical-path/time-use.ts';
import { fetched, LINK, member, ms, piece, PIECE_BYTES, refused, storm, told } from './made-up-storm.ts';

const seconds = fc.integer({ min: 0, max: 20_000 }).map((one) => one / 1000);
const names = ['seeder', 'a', 'b', 'c'];
const somebody = fc.constantFrom(undefined, ...names);
const somePiece = fc
  .tuple(fc.nat(5), somebody, seconds, fc.array(fc.integer({ min: 0, max: 2000 }), { minLength: 4, maxLength: 4 }))
  .map(([number, from, asked, steps]) => {
    const [first = 0, whole = 0, verified = 0, present = 0] = steps.map((_, i) =>
      steps.slice(0, i + 1).reduce((sum, step) => sum + step / 1000, asked),
    );
    return piece(number, from, { asked, first, whole, verified, present });
  });
const someRefusal = fc
  .tuple(fc.nat(5), fc.constantFrom(...names), seconds, fc.nat(2000))
  .map(([number, from, asked, took]) => refused(number, from, 'busy', { asked, at: asked + took / 1000, bytes: took }));
const someTold = fc.tuple(fc.nat(5), seconds).map(([number, at]) => told(at, number));
const someLog = fc.array(fc.oneof(somePiece, someRefusal, someTold), { maxLength: 30 });

describe('the critical path of whatever the logs say', () => {
  it('counts every moment of a fetch once', () => {
    fc.assert(
      fc.property(someLog, seconds, seconds, (lines, from, to) => {
        const log = member('a', lines).log;
        if (!log) throw new Error('unreachable');
        const span = { beganMs: ms(Math.min(from, to)), endedMs: ms(Math.max(from, to)) };
        const spent = Object.values(timeSpent(log, span, LINK));
        expect(Math.min(...spent)).toBeGreaterThanOrEqual(0);
        expect(spent.reduce((sum, one) => sum + one, 0)).toBeCloseTo(span.endedMs - span.beganMs, 3);
      }),
    );
  });

  it('leaves no gap: the phases of a hop last from when the sender had the piece until the receiver has it', () => {
    fc.assert(
      fc.property(someLog, someLog, someLog, (a, b, c) => {
        const hosts = [a, b, c].map((lines, i) => member(['a', 'b', 'c'][i] ?? '', [...lines, fetched(0, 40)]));
        const made = storm(member('seeder', []), ...hosts);
        for (const host of hosts) {
          for (const { phases, piece: got, had } of chainTo(made, host, { beganMs: ms(0), endedMs: ms(40) })) {
            const fromMs = 'atMs' in had ? Math.min(had.atMs, got.asked) : got.asked;
            expect(phases.reduce((sum, phase) => sum + phase.ms, 0)).toBeCloseTo(got.present - fromMs, 3);
          }
          expect(criticalPath(made, host).join('\n')).not.toMatch(/NaN|undefined|Infinity|-\d/);
        }
      }),
    );
  });

  it('reads any text, and counts the lines that are none', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseNodeLog(text)));
    const whole = JSON.stringify(piece(1, 'a', { asked: 1 }));
    const log = parseNodeLog(
      `${whole}\n{"line":"news"}\n{"line":"lost","lines":3}\n${whole.slice(0, 50)}\n${whole}\n{"line":"piece"}`,
    );
    expect([log.pieces.length, log.lostLines]).toEqual([2, 5]);
  });
});

describe('where each host’s bytes came from', () => {
  const nodes: readonly LoggedMember[] = [
    member('a', [
      piece(0, 'seeder', { asked: 0 }),
      piece(1, 'b', { asked: 0 }),
      piece(2, 'c', { asked: 0 }),
      piece(2, 'c', { asked: 0, duplicate: PIECE_BYTES }),
      piece(3, undefined, { asked: 0 }),
      fetched(0, 1, { local: 7, peer: 2 * PIECE_BYTES, seeder: PIECE_BYTES, origin: PIECE_BYTES }),
    ]),
    member('b', [fetched(0, 1, { local: 1, origin: 5 })]),
    member('c', undefined, 1),
  ];

  it('is told by rack, with what was here and what was passed on, and without duplicates', () => {
    const empty = { local: 0, rack: 0, peer: 0, seeder: 0, origin: 0 };
    const each = PIECE_BYTES;
    expect(sourcesByHost(nodes, nodes)).toEqual([
      { local: 7, rack: each, peer: each, seeder: each, origin: each },
      { ...empty, local: 1, origin: 5 },
      empty,
    ]);
  });

  it('knows no racks where there is one only', () => {
    const [a] = sourcesByHost(nodes.slice(0, 2), nodes);
    expect(a).toMatchObject({ rack: 0, peer: 2 * PIECE_BYTES });
  });
});
