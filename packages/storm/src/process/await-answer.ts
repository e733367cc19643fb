import type { Clock } from '@quarry/runtime';
import { StormError } from '../storm-error.ts';
import type { Waiting } from '../storm-network.ts';
import { runToEnd } from './run-to-end.ts';
import type { RunningProcess } from './start-process.ts';

const WITHIN_MS = 20_000;
const PAUSE_MS = 50;

/** Resolves when the server answers a client: runs the command until it succeeds. @throws StormError STORM_PART_FAILED when the server ends or is silent for 20 s */
export async function awaitAnswer(
  { clock, server }: { readonly clock: Clock; readonly server: RunningProcess },
  command: readonly string[],
  { signal, prefix }: Waiting & { readonly prefix: readonly string[] },
): Promise<void> {
  const untilMs = clock.now() + WITHIN_MS;
  let lastWords = '';
  while (clock.now() < untilMs) {
    const answered = runToEnd(command, { signal, prefix }).then(
      () => true,
      (error: unknown) => {
        lastWords = error instanceof Error ? error.message : String(error);
        return false;
      },
    );
    if (await Promise.race([answered, server.fails])) return;
    await clock.sleep(PAUSE_MS, { signal });
  }
  throw new StormError('STORM_PART_FAILED', `${server.name} does not answer; ${lastWords}`);
}
