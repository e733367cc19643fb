import type { DaemonStatus } from '@quarry/daemon';
import type { Clock } from '@quarry/runtime';
import { createSemaphore } from '@quarry/runtime';
import { StormError } from '../storm-error.ts';
import type { Waiting } from '../storm-network.ts';
import type { RunningDaemon } from './start-daemon.ts';

const LOOK_EVERY_MS = 1000;
const WITHIN_MS = 180_000;
const ASKED_AT_ONCE = 4;
/** Connected to so many others, gossip reaches all. */
const ENOUGH_PEERS = 12;
/** A node takes a share of the origin's budget of its own only after so long (limits.originBytesPerSecond), with a second for the lease. */
const JOINED_AFTER_MS = 16_500;
/** Beside that it has said what it has to say of itself. */
const SETTLED_AFTER_MS = 3000;

/** Whether a node has found its place. Pure. */
export function stands(
  { members, peers, uptimeMs, originBudget }: Pick<DaemonStatus, 'members' | 'peers' | 'uptimeMs' | 'originBudget'>,
  all: { readonly members: number },
): boolean {
  if (members < all.members || peers < Math.min(all.members - 1, ENOUGH_PEERS)) return false;
  return uptimeMs >= (originBudget ? JOINED_AFTER_MS : SETTLED_AFTER_MS);
}

/**
 * Resolves when every daemon knows all the others and is connected to enough of them, as on any Monday morning: what they say then, in order.
 * @throws StormError STORM_PART_FAILED naming who has not
 */
export async function awaitCluster(
  { clock, note }: { readonly clock: Clock; readonly note: (line: string) => void },
  daemons: readonly RunningDaemon[],
  { signal }: Waiting,
): Promise<readonly DaemonStatus[]> {
  const statuses = new Map<RunningDaemon, DaemonStatus>();
  const waiting = new Set(daemons);
  const slots = createSemaphore(ASKED_AT_ONCE);
  const untilMs = clock.now() + WITHIN_MS;
  for (;;) {
    await Promise.all(
      [...waiting].map((daemon) =>
        slots.run(async () => {
          const status = await daemon.client.status({ signal });
          statuses.set(daemon, status);
          if (stands(status, { members: daemons.length })) waiting.delete(daemon);
        }),
      ),
    );
    if (waiting.size === 0) break;
    if (clock.now() > untilMs) {
      const [one] = waiting;
      const { members = 0, peers = 0 } = (one && statuses.get(one)) ?? {};
      throw new StormError(
        'STORM_PART_FAILED',
        `after ${WITHIN_MS / 1000} s ${waiting.size} of ${daemons.length} daemons have not found their place; ${one?.name} knows ${members} members and is connected to ${peers}`,
      );
    }
    await clock.sleep(LOOK_EVERY_MS, { signal });
  }
  const found = daemons.flatMap((daemon) => statuses.get(daemon) ?? []);
  const peers = found.map((status) => status.peers).toSorted((a, b) => a - b);
  note(
    `${daemons.length} daemons know each other, connected to ${peers[0]} others at least and ${peers.at(-1)} at most`,
  );
  return found;
}
