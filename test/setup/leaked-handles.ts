// A test file that leaves a socket, a server, a timer, a worker or a child process behind fails: in the daemon the same
// omission is a process that does not stop on Ctrl-C.
import { afterAll, beforeAll } from 'vitest';

const CLOSING_MS = 2_000;
const POLL_MS = 20;

/** How many of each kind keep this process alive. vitest's own (its channel, this hook's timer) are in the count before, too. */
function countActive(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

let before = new Map<string, number>();

function leaked(): string[] {
  return [...countActive()].flatMap(([kind, count]) => {
    const extra = count - (before.get(kind) ?? 0);
    return extra > 0 ? [`${extra} × ${kind}`] : [];
  });
}

beforeAll(() => {
  before = countActive();
});

afterAll(async () => {
  const giveUpAtMs = performance.now() + CLOSING_MS;
  // What was closed takes some turns of the event loop to be gone.
  while (leaked().length > 0 && performance.now() < giveUpAtMs) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS).unref());
  }
  const left = leaked();
  if (left.length > 0)
    throw new Error(`This test file left open: ${left.join(', ')}. Close what it opens, or stop what it starts.`);
});
