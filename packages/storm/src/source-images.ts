/**
 * The images of a storm as real files on the harness's side. Two images share exactly the chunks that the storm says they share: chunk `c` of pack `p` has the
 * same 64 KiB wherever it stands. Raw disk images by their first bytes, so that the cutter is `fixed-64k`.
 */
export interface SourceImages {
  /** In the storm's order. */
  readonly files: readonly SourceImage[];
  /** How many bytes of `file` are not those of image `image`; a shorter or longer file counts what is missing or too much. Reads both once. */
  countWrongBytes(image: number, file: string, options: { readonly signal: AbortSignal }): Promise<number>;
}

export interface SourceImage {
  readonly name: string;
  readonly path: string;
  readonly sizeBytes: number;
  /** Hex. */
  readonly sha512: string;
}
