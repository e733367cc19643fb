const ZEROS = Buffer.alloc(64 * 1024);

/** Whether every byte is 0; true for none at all. Leaves at the first byte of ordinary data, else compares as fast as memory reads. */
export function isZero(bytes: Uint8Array): boolean {
  const length = bytes.length;
  if (length === 0) return true;
  if (bytes[0] !== 0 || bytes[length - 1] !== 0 || bytes[length >> 1] !== 0) return false;
  for (let at = 0; at < length; at += ZEROS.length) {
    const part = Math.min(ZEROS.length, length - at);
    if (ZEROS.compare(bytes, at, at + part, 0, part) !== 0) return false;
  }
  return true;
}
