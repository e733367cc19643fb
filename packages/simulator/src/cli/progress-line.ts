import type { Clock } from '@quarry/runtime';
import type { Streams } from './streams.ts';

/** One line on a terminal that is drawn again and again; silent when piped. */
export interface ProgressLine {
  draw(text: () => string): void;
  /** Wipes it, so that other lines can follow. */
  end(): void;
}

const REDRAW_MS = 100;

export function createProgressLine(err: Streams['err'], clock: Clock): ProgressLine {
  let drawnAtMs = -Infinity;
  let isDrawn = false;
  return {
    draw(text) {
      const nowMs = clock.now();
      if (err.isTTY !== true || nowMs - drawnAtMs < REDRAW_MS) return;
      drawnAtMs = nowMs;
      isDrawn = true;
      err.write(`\r\u001b[K${text().slice(0, (err.columns ?? 80) - 1)}`);
    },
    end() {
      if (isDrawn) err.write('\r\u001b[K');
      isDrawn = false;
    },
  };
}
