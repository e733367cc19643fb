import { open } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { chooseEncoding, isZero, measureEncoding, TYPICAL_RATIO } from '@quarry/content';
import { systemClock } from '@quarry/runtime';
import { median, reportOf, rounded } from '../bench.ts';
import type { Bench, Result } from '../bench.ts';
import { makeDiskImage, whyNoDiskImage } from '../disk-image.ts';

const PIECE_BYTES = 2 ** 20;
/** Some pieces from all over the image: encoding all of it is what `ingest` measures. */
const SAMPLED_PIECES = 64;
const LINKS_GBIT = [1, 2.5, 5, 10, 25];

/** How fast this machine encodes and decodes pieces on one core, and what `store.encoding = "auto"` would choose for links of several speeds. */
export const encoding: Bench = {
  about: 'how fast pieces become zstd frames and back, and what `auto` chooses',
  async run(options) {
    const why = whyNoDiskImage();
    const contents = new Map<string, readonly Uint8Array[] | undefined>([
      ['the sample that auto is decided by', undefined],
    ]);
    if (why === undefined) {
      options.tell('making a disk image');
      const path = join(options.directory, 'disk.raw');
      await makeDiskImage(path, options.sizeBytes, options.signal);
      contents.set('a disk image', await samplesOf(path, options.sizeBytes));
    }
    const results: Result[] = [];
    const facts: Record<string, number> = {};
    const chosen: string[] = [];
    for (const [name, pieces] of contents) {
      const runs = Array.from({ length: options.runs }, () => measureEncoding(systemClock, pieces));
      const encodeBytesPerSecond = median(runs.map((run) => run.encodeBytesPerSecond));
      const decodeBytesPerSecond = median(runs.map((run) => run.decodeBytesPerSecond));
      const { ratio = TYPICAL_RATIO } = runs[0] ?? {};
      results.push(
        { name: `encode ${name}`, mbPerSecond: rounded(encodeBytesPerSecond / 1e6) },
        { name: `decode ${name}`, mbPerSecond: rounded(decodeBytesPerSecond / 1e6) },
      );
      facts[`${name}: plain bytes to encoded`] = rounded(1 / ratio);
      const speed = { encodeBytesPerSecond, decodeBytesPerSecond, cores: availableParallelism(), ratio };
      for (const gbit of LINKS_GBIT) {
        const { encoding: choice, why: reason } = chooseEncoding({ ...speed, linkBytesPerSecond: (gbit * 1e9) / 8 });
        chosen.push(`${name}, ${gbit} Gbit/s: ${choice} (${reason})`);
      }
    }
    const notRun = why === undefined ? [] : [{ name: 'a disk image', why }];
    const report = reportOf({ results, ratios: {}, notRun, facts });
    return { text: `${report.text}\n\n${chosen.join('\n')}`, figures: { ...report.figures, chosen } };
  },
};

async function samplesOf(path: string, sizeBytes: number): Promise<readonly Uint8Array[]> {
  const file = await open(path);
  try {
    const pieces: Uint8Array[] = [];
    const count = Math.floor(sizeBytes / PIECE_BYTES);
    for (let i = 0; i < Math.min(count, SAMPLED_PIECES); i += 1) {
      const piece = new Uint8Array(PIECE_BYTES);
      await file.read(piece, 0, PIECE_BYTES, Math.floor((i * count) / Math.min(count, SAMPLED_PIECES)) * PIECE_BYTES);
      if (!isZero(piece)) pieces.push(piece);
    }
    return pieces;
  } finally {
    await file.close();
  }
}
