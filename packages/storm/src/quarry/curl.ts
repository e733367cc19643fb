import { spawn } from 'node:child_process';
import { StormError } from '../storm-error.ts';
import type { Place, Waiting } from '../storm-network.ts';

/**
 * Runs curl in a place and resolves to what it wrote on standard output. It fails on every answer that is an error, and does not outlive the signal.
 * @throws StormError STORM_PART_FAILED with what curl said; the signal's reason
 */
export async function curl(place: Place, words: readonly string[], { signal }: Waiting): Promise<string> {
  signal.throwIfAborted();
  const [command, ...before] = [...place.prefix, 'curl'];
  const child = spawn(command, [...before, '--silent', '--show-error', '--fail-early', ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
    killSignal: 'SIGKILL',
    signal,
  });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const how = await new Promise<string | undefined>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, by) => resolve(code === 0 ? undefined : `ended ${by ?? `with ${code}`}`));
  });
  signal.throwIfAborted();
  if (how !== undefined)
    throw new StormError('STORM_PART_FAILED', `curl on ${place.name} ${how}: ${err.trim() || 'it said nothing'}`);
  return out;
}
