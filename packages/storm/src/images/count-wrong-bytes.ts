import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';

const STEP = 1 << 20;

/** How many bytes of `path` are not those of `source` at the same place; what one of them has more than the other counts too. Reads both once. */
export async function countWrongBytes(
  source: string,
  path: string,
  { signal }: { readonly signal: AbortSignal },
): Promise<number> {
  const right = await open(source);
  const found = await open(path).catch(async (error: unknown) => {
    await right.close();
    throw error;
  });
  try {
    const sizes = [(await right.stat()).size, (await found.stat()).size] as const;
    const common = Math.min(...sizes);
    const [one, other] = [Buffer.allocUnsafe(STEP), Buffer.allocUnsafe(STEP)];
    let wrong = Math.max(...sizes) - common;
    for (let at = 0; at < common; at += STEP) {
      signal.throwIfAborted();
      const length = Math.min(STEP, common - at);
      await Promise.all([readFully(right, one, length, at), readFully(found, other, length, at)]);
      const [a, b] = [one.subarray(0, length), other.subarray(0, length)];
      if (!a.equals(b)) for (let i = 0; i < length; i += 1) if (a[i] !== b[i]) wrong += 1;
    }
    return wrong;
  } finally {
    await Promise.all([right.close(), found.close()]);
  }
}

async function readFully(file: FileHandle, into: Buffer, length: number, position: number): Promise<void> {
  for (let got = 0; got < length; ) {
    const { bytesRead } = await file.read(into, got, length - got, position + got);
    if (bytesRead === 0) throw new Error('a file got shorter while it was read');
    got += bytesRead;
  }
}
