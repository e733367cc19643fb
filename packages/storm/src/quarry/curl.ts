import { runToEnd } from '../process/run-to-end.ts';
import type { Place, Waiting } from '../storm-network.ts';

/**
 * Runs curl in a place and resolves to what it wrote on standard output. It fails on every answer that is an error.
 * @throws StormError STORM_PART_FAILED with what curl said; the signal's reason
 */
export async function curl(place: Place, words: readonly string[], { signal }: Waiting): Promise<string> {
  const command = ['curl', '--silent', '--show-error', '--fail-early', ...words];
  return (await runToEnd(command, { prefix: place.prefix, signal })).stdout;
}
