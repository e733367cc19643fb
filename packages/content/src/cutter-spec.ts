/**
 * How an image is cut. `fixed-64k`: 64 KiB of the image at 64 KiB-aligned offsets, for raw and uncompressed qcow2, whose clusters lie
 * exactly there. `cdc-64k`: content-defined, for compressed qcow2 and anything unknown. The parameters stand in the manifest too.
 */
export interface CutterSpec {
  readonly name: 'fixed-64k' | 'cdc-64k';
  readonly minBytes: number;
  readonly meanBytes: number;
  readonly maxBytes: number;
}

export const fixed64k: CutterSpec = Object.freeze({
  name: 'fixed-64k',
  minBytes: 65536,
  meanBytes: 65536,
  maxBytes: 65536,
});
export const cdc64k: CutterSpec = Object.freeze({
  name: 'cdc-64k',
  minBytes: 16384,
  meanBytes: 65536,
  maxBytes: 262144,
});
