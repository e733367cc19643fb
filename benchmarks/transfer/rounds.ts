import { copyFile, rm } from 'node:fs/promises';
import { runToEnd } from '@quarry/storm';
import { join } from 'node:path';

/** Copies the image and removes the copy, before every run of everybody: see runCp. */
export async function warmPages(image: string, directory: string, signal: AbortSignal): Promise<void> {
  const copy = join(directory, 'warm-up');
  await copyFile(image, copy);
  await rm(copy);
  signal.throwIfAborted();
}

/** @throws where two files differ, saying where */
export async function checkSame(expected: string, received: string, signal: AbortSignal): Promise<void> {
  // Of a file that ends early it speaks on standard error.
  const { stdout, stderr } = await runToEnd(['cmp', '--', expected, received], { signal, fine: [0, 1] });
  const difference = (stdout + stderr).trim();
  if (difference !== '') throw new Error(`what was received is not what was sent: ${difference}`);
}
