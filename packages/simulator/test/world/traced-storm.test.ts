import { expect, test } from 'vitest';
import { randomStorm } from '../../src/chaos/random-storm.ts';
import type { TraceSink } from '../../src/trace.ts';
import { simulate } from '../../src/world/simulate.ts';

interface Noted {
  readonly kind: string;
  readonly name: string;
  readonly fromMs: number;
  untilMs?: number;
}

function noteAll(): { readonly sink: TraceSink; readonly spans: Noted[]; readonly marks: Noted[] } {
  const spans: Noted[] = [];
  const marks: Noted[] = [];
  const sink: TraceSink = {
    begin: (fromMs, _place, kind, name) => spans.push({ kind, name, fromMs }) - 1,
    end(untilMs, span) {
      const one = spans[span];
      if (one) one.untilMs ??= untilMs;
    },
    mark: (fromMs, _place, kind, name) => void marks.push({ kind, name, fromMs }),
  };
  return { sink, spans, marks };
}

test('a trace shows how long faults last, and which chunks left the store again', async () => {
  const storm = randomStorm(306);
  const { sink, spans, marks } = noteAll();
  const { regives } = await simulate(storm, { trace: sink });
  const timed = storm.faults.flatMap((fault) => ('untilMs' in fault ? [fault] : []));
  expect(timed.length).toBeGreaterThan(0);
  expect(spans.filter(({ kind }) => kind === 'fault')).toEqual(
    timed.map(({ kind, atMs, untilMs }) => ({ kind: 'fault', name: kind, fromMs: atMs, untilMs })),
  );
  expect(marks.some(({ name }) => name === 'again')).toBe(Object.keys(regives).length > 0);
});

test('a trace shows who asked a second source', async () => {
  const { sink, marks } = noteAll();
  await simulate(randomStorm(306), { trace: sink });
  expect(marks.filter(({ kind, name }) => kind === 'decision' && name === 'hedge').length).toBeGreaterThan(0);
});
