import { ContentError } from '../src/content-error.ts';
import type { ContentErrorCode } from '../src/content-error.ts';

/** Runs what must fail as a ContentError and nothing else; gives its code. */
export function refusal(run: () => unknown): ContentErrorCode {
  try {
    run();
  } catch (error) {
    if (error instanceof ContentError) return error.code;
    throw error;
  }
  throw new Error('was not refused');
}

/** What `run` gives, or undefined where it refused; any error but a ContentError passes through. */
export function unlessRefused<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof ContentError) return undefined;
    throw error;
  }
}

const COLUMNS = ['Float64Array', 'Int32Array', 'Uint32Array', 'Uint16Array'] as const;

/** The bytes of all columns that `run` allocates by a number: what a declared count can make a decoder take. */
export function allocatedBytes(run: () => unknown): number {
  let bytes = 0;
  const originals = COLUMNS.map((name) => [name, globalThis[name]] as const);
  for (const [name, original] of originals) {
    const counting = new Proxy(original, {
      construct(target, args: unknown[], newTarget) {
        if (typeof args[0] === 'number') bytes += args[0] * target.BYTES_PER_ELEMENT;
        return Reflect.construct(target, args, newTarget) as object;
      },
    });
    Object.assign(globalThis, { [name]: counting });
  }
  try {
    run();
  } finally {
    for (const [name, original] of originals) Object.assign(globalThis, { [name]: original });
  }
  return bytes;
}
