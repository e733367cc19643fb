// A tracker in a process of its own, so that it can be in another network namespace: `tracker-process ADDRESS INTERVAL_SECONDS`. Says `{"announceUrl"}`, then
// `{"whole"}` whenever one more peer has everything. Ends by a signal.
import { startTracker } from './start-tracker.ts';

const [address = '', intervalSeconds = ''] = process.argv.slice(2);
const tracker = await startTracker({ address, intervalSeconds: Number(intervalSeconds) });
const say = (what: object): void => void process.stdout.write(`${JSON.stringify(what)}\n`);
say({ announceUrl: tracker.announceUrl });
const { signal } = new AbortController();
for (let whole = 1; ; whole += 1) {
  await tracker.seeded(signal, whole);
  say({ whole });
}
