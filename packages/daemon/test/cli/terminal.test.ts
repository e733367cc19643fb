import { createVirtualClock } from '@quarry/runtime';
import { describe, expect, test } from 'vitest';
import { createTerminal, progressLine } from '../../src/cli/terminal.ts';
import { textTable } from '../../src/cli/text-table.ts';

function recorder(isTTY: boolean): { written: string[]; write(text: string): void; isTTY: boolean; columns: number } {
  const written: string[] = [];
  return { written, isTTY, columns: 80, write: (text) => void written.push(text) };
}

describe('terminal', () => {
  test('draws a bar on a terminal, and wipes it before the result', () => {
    const [out, err] = [recorder(true), recorder(true)];
    const terminal = createTerminal({ out, err }, createVirtualClock(), { isJson: false });
    terminal.progress({ step: 'fetching', image: 'vm', doneBytes: 512, totalBytes: 1024 });
    terminal.result({ a: 1 }, () => 'done');
    expect(err.written[0]).toContain('fetching vm');
    expect(err.written[0]).toContain('50%');
    expect(err.written.at(-1)).toBe('\r\u001b[K');
    expect(out.written).toEqual(['done\n']);
  });

  test('is quiet when piped: only the result is written', () => {
    const [out, err] = [recorder(false), recorder(false)];
    const terminal = createTerminal({ out, err }, createVirtualClock(), { isJson: false });
    terminal.progress({ step: 'fetching', doneBytes: 1, totalBytes: 2 });
    terminal.result({ a: 1 }, () => 'done');
    expect(err.written).toEqual([]);
    expect(out.written).toEqual(['done\n']);
  });

  test('with --json writes one object and nothing else', () => {
    const [out, err] = [recorder(true), recorder(true)];
    const terminal = createTerminal({ out, err }, createVirtualClock(), { isJson: true });
    terminal.progress({ step: 'fetching', doneBytes: 1, totalBytes: 2 });
    terminal.note('a remark');
    terminal.result({ a: 1 }, () => 'done');
    expect(err.written).toEqual([]);
    expect(out.written.map((line) => JSON.parse(line) as unknown)).toEqual([{ a: 1 }]);
  });

  test('a progress line never is wider than the terminal', () => {
    const progress = {
      step: 'rebuilding',
      image: 'a-rather-long-name-of-an-image.qcow2',
      doneBytes: 5e9,
      totalBytes: 2e10,
    };
    for (const columns of [20, 40, 60, 80, 200])
      expect(progressLine(progress, 1e9, columns).length).toBeLessThan(columns);
    expect(progressLine({ ...progress, totalBytes: 0, doneBytes: 0 }, 0, 100)).toContain('100%');
  });

  test('a table lines its columns up, numbers to the right', () => {
    expect(
      textTable(
        ['image', 'size'],
        [
          ['vm-1', '5 MiB'],
          ['b', '120 MiB'],
        ],
      ),
    ).toBe('image  size\nvm-1     5 MiB\nb      120 MiB');
  });
});
