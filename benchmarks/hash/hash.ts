import { interleaved, ratio, reportOf, resultsOf } from '../bench.ts';
import type { Bench } from '../bench.ts';
import { runOurs } from '../processes.ts';
import type { HashOrder } from './hash-process.ts';
import { hashed } from './hashed.ts';

/** What is done with every chunk that is ingested, received or rebuilt: its digest, the whole image's hash, the look for zeros. One thread. */
export const hash: Bench = {
  about: 'BLAKE3 of chunks (native, portable), SHA-512 of images, the look for zeros',
  parts: Object.keys(hashed),
  async run(options) {
    const { only, signal, sizeBytes } = options;
    const contestants = Object.entries(hashed)
      .filter(([part]) => only.length === 0 || only.includes(part))
      .map(([part, { name }]) => {
        const order: HashOrder = { part: part as keyof typeof hashed, sizeBytes };
        return { name, run: () => runOurs(order, signal, './hash/hash-process.ts') };
      });
    const results = resultsOf(await interleaved(contestants, options), sizeBytes);
    const [native, portable, sha512] = (['native', 'portable', 'sha512'] as const).map((part) =>
      results.find(({ name }) => name === hashed[part].name),
    );
    const ratios = {
      ...(native && portable && { 'BLAKE3, native to portable': ratio(native, portable) }),
      ...(native && sha512 && { 'BLAKE3, native, to SHA-512': ratio(native, sha512) }),
    };
    return reportOf({ results, ratios, notRun: [] });
  },
};
