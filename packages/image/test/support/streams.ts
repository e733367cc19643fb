/** The bytes in buffers of the given lengths, taken round and round; each buffer is the reader's own. */
export async function* streamOf(
  bytes: Uint8Array,
  lengths: readonly number[] = [bytes.length],
): AsyncGenerator<Uint8Array> {
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const length = Math.max(1, lengths[turn % lengths.length] ?? 1);
    yield bytes.slice(at, at + length);
    at += length;
  }
}

export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const buffers: Uint8Array[] = [];
  for await (const buffer of stream) buffers.push(buffer.slice());
  return Buffer.concat(buffers);
}
