import type { Clock, Random } from '@quarry/runtime';
import { imageDefaults } from './options.ts';

/**
 * Asks until there is an answer or patience is over. A node that has just started has no peers yet, and a storm in which every such node turned to the
 * origin at once is what this product exists to prevent.
 */
export async function askPatiently<T>(
  deps: { readonly clock: Clock; readonly random: Random },
  ask: () => Promise<T | undefined>,
  options: { readonly patienceMs: number; readonly signal?: AbortSignal | undefined },
): Promise<T | undefined> {
  const { clock, random } = deps;
  const giveUpAtMs = clock.now() + options.patienceMs;
  for (;;) {
    options.signal?.throwIfAborted();
    const answer = await ask();
    const leftMs = giveUpAtMs - clock.now();
    if (answer !== undefined || leftMs <= 0) return answer;
    const pauseMs = imageDefaults.findPauseMs * (0.5 + random.next() / 2);
    await clock.sleep(Math.min(pauseMs, leftMs), { signal: options.signal });
  }
}
