import { formatBytes, formatRate } from '@quarry/runtime';
import type { Clock } from '@quarry/runtime';
import type { Progress } from '../daemon.ts';

/** Where a command speaks: results on `out`, everything else on `err`. */
export interface Terminal {
  readonly isJson: boolean;
  /** A result: an object as JSON with `--json`, else the lines that `toText` makes of it. */
  result<T>(value: T, toText: (value: T) => string): void;
  /** A remark for people: not with `--json`, never on standard output. */
  note(line: string): void;
  /** Draws on a terminal, silent when piped. */
  progress(progress: Progress): void;
  /** Wipes the bar so that other lines can follow. */
  endProgress(): void;
}

export interface TerminalStreams {
  readonly out: { write(text: string): unknown };
  readonly err: { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number };
}

const REDRAW_MS = 100;

export function createTerminal(
  streams: TerminalStreams,
  clock: Clock,
  options: { readonly isJson: boolean },
): Terminal {
  let drawnAt = -Infinity;
  let isDrawn = false;
  let started: { readonly step: string; readonly atMs: number; readonly bytes: number } | undefined;
  const endProgress = (): void => {
    if (isDrawn) streams.err.write('\r\u001b[K');
    isDrawn = false;
  };
  return {
    isJson: options.isJson,
    result(value, toText) {
      endProgress();
      const text = options.isJson ? JSON.stringify(value) : toText(value);
      if (text !== '') streams.out.write(`${text}\n`);
    },
    note(line) {
      endProgress();
      if (!options.isJson) streams.err.write(`${line}\n`);
    },
    progress(progress) {
      const now = clock.now();
      if (!streams.err.isTTY || options.isJson || now - drawnAt < REDRAW_MS) return;
      if (started?.step !== progress.step) started = { step: progress.step, atMs: now, bytes: progress.doneBytes };
      drawnAt = now;
      isDrawn = true;
      const elapsedMs = now - started.atMs;
      const rate = elapsedMs > 0 ? ((progress.doneBytes - started.bytes) * 1000) / elapsedMs : 0;
      streams.err.write(`\r\u001b[K${progressLine(progress, rate, streams.err.columns ?? 80)}`);
    },
    endProgress,
  };
}

/** `fetching vm-01.qcow2 [#####-----]  52% 12.1 MiB of 23.3 MiB, 11.0 MiB/s`, cut to the terminal's width. */
export function progressLine(progress: Progress, bytesPerSecond: number, columns: number): string {
  const { step, image, doneBytes, totalBytes } = progress;
  const head = image === undefined ? step : `${step} ${image}`;
  const amount =
    totalBytes === undefined ? formatBytes(doneBytes) : `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`;
  const tail = `${amount}, ${formatRate(bytesPerSecond)}`;
  if (totalBytes === undefined) return `${head} ${tail}`.slice(0, columns - 1);
  const share = totalBytes === 0 ? 1 : Math.min(1, doneBytes / totalBytes);
  const width = Math.min(30, columns - head.length - tail.length - 12);
  const bar = width < 5 ? '' : `[${'#'.repeat(Math.round(share * width)).padEnd(width, '-')}] `;
  return `${head} ${bar}${String(Math.floor(share * 100)).padStart(3)}% ${tail}`.slice(0, columns - 1);
}
