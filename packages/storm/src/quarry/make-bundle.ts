import { execFile } from 'node:child_process';
import { symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { errorCode } from '@quarry/runtime';
import { StormError } from '../storm-error.ts';
import type { Waiting } from '../storm-network.ts';

const root = join(import.meta.dirname, '../../../..');
const swarm = 'packages/swarm/src';
const liar = 'packages/storm/src/quarry/liar';

/** What the lying build has instead: test-only, the product has no seam for it. */
const lies: readonly string[] = [
  `${swarm}/transfer/read-for-sending.ts=${liar}/read-for-sending.ts`,
  `${swarm}/protocol/haves-message.ts=${liar}/haves-message.ts`,
];

/**
 * Bundles the daemon into `directory`, as `npm run bundle` does, and returns the file to run. `isLiar`: the build that lies once it gets SIGUSR2, as the
 * environment's QUARRY_LIE says.
 * @throws StormError STORM_PART_FAILED
 */
export async function makeDaemonBundle(
  directory: string,
  { isLiar, signal }: Waiting & { readonly isLiar: boolean },
): Promise<string> {
  try {
    await promisify(execFile)(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', join(root, 'tools/bundle.ts'), directory, ...(isLiar ? lies : [])],
      { signal },
    );
  } catch (cause) {
    signal.throwIfAborted();
    const said = typeof cause === 'object' && cause !== null && 'stderr' in cause ? String(cause.stderr) : '';
    throw new StormError('STORM_PART_FAILED', `the daemon could not be bundled: ${said.trim() || String(cause)}`, {
      cause,
    });
  }
  // native add-ons are looked for beside it
  await symlink(join(root, 'node_modules'), join(dirname(directory), 'node_modules')).catch((error: unknown) => {
    if (errorCode(error) !== 'EEXIST') throw error;
  });
  return join(directory, 'quarry.mjs');
}
