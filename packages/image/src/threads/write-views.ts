import { writeSync } from 'node:fs';
import { imageDefaults } from '../options.ts';

/** Bytes in shared memory to be written one after another. For other threads: it waits for the disk. */
export interface WriteTask {
  readonly kind: 'write';
  /** File descriptors are the process's, not the thread's. */
  readonly fd: number;
  readonly position: number;
  readonly parts: readonly Uint8Array[];
}

/** What the system said; errors lose their codes between threads. */
export interface WriteFailure {
  readonly code: string;
  readonly message: string;
}

/** Undefined when all is written. */
export function writeViews({ fd, position, parts }: WriteTask): WriteFailure | undefined {
  try {
    let at = position;
    for (const part of parts) {
      for (let done = 0; done < part.length; ) {
        const count = Math.min(imageDefaults.writeBytes, part.length - done);
        done += writeSync(fd, part, done, count, at + done);
      }
      at += part.length;
    }
    return undefined;
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    return { code, message };
  }
}
