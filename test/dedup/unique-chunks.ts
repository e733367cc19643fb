// How many bytes a host that holds some images must fetch for another one, computed without any of Quarry's code, so that it can be wrong
// only in its own way: SHA-256 in place of BLAKE3, its own cutters, no packs, no manifest.
//
//     node test/dedup/unique-chunks.ts [--cutter fixed-64k|cdc-64k] [--held FILE]... WANTED
//
// prints one line of JSON. A chunk of the wanted file counts with its own length, once, unless it is all zeros or one of the held files'.
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { cdcChunks } from './cdc-chunks.ts';
import { type Chunks, fixedChunks } from './fixed-chunks.ts';

export type CutterName = 'fixed-64k' | 'cdc-64k';

const cutters: Readonly<Record<CutterName, Chunks>> = { 'fixed-64k': fixedChunks, 'cdc-64k': cdcChunks };

export interface UniqueBytes {
  /** What has to be fetched. */
  readonly bytes: number;
  readonly chunks: number;
}

/** `cutter`: one for all files, or the one for each path. Held and wanted files that are cut differently have next to nothing in common. */
export async function uniqueBytes(
  held: readonly string[],
  wanted: string,
  cutter: CutterName | ((path: string) => CutterName),
): Promise<UniqueBytes> {
  const chunksOf = (path: string): AsyncIterable<Buffer> =>
    cutters[typeof cutter === 'string' ? cutter : cutter(path)](path);
  const known = new Set<string>();
  for (const path of held) {
    for await (const chunk of chunksOf(path)) if (!isZero(chunk)) known.add(nameOf(chunk));
  }
  let bytes = 0;
  let chunks = 0;
  for await (const chunk of chunksOf(wanted)) {
    if (isZero(chunk)) continue;
    const name = nameOf(chunk);
    if (known.has(name)) continue;
    known.add(name);
    bytes += chunk.length;
    chunks += 1;
  }
  return { bytes, chunks };
}

const zeros = Buffer.alloc(256 * 1024);

function isZero(chunk: Buffer): boolean {
  return chunk.equals(zeros.subarray(0, chunk.length));
}

function nameOf(chunk: Buffer): string {
  return createHash('sha256').update(chunk).digest('base64');
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    options: {
      held: { type: 'string', multiple: true, default: [] },
      cutter: { type: 'string', default: 'fixed-64k' },
    },
    allowPositionals: true,
  });
  const [wanted, ...others] = positionals;
  const { held, cutter } = values;
  if (wanted === undefined || others.length > 0 || !isCutterName(cutter)) {
    console.error('Usage: node test/dedup/unique-chunks.ts [--cutter fixed-64k|cdc-64k] [--held FILE]... WANTED');
    process.exit(2);
  }
  console.log(JSON.stringify({ wanted, held, cutter, ...(await uniqueBytes(held, wanted, cutter)) }));
}

function isCutterName(name: string): name is CutterName {
  return Object.hasOwn(cutters, name);
}
