import type { Compute } from './threads/compute.ts';

/** Compresses the chunks of one pack in groups, several at once, on whatever threads there are. */
export interface PieceEncoder {
  /** The next chunk; `bytes` must not change before the group's frame is there, or its plain bytes are not needed. */
  add(bytes: Uint8Array): void;
  /** Ends the last group, if it is not full. */
  end(): void;
  /** The next whole group, if there is one. */
  take(): EncodingGroup | undefined;
}

export interface EncodingGroup {
  /** Of each chunk. */
  readonly lengths: readonly number[];
  readonly plain: readonly Uint8Array[];
  /** Undefined where it would save too little. */
  readonly frame: Promise<Uint8Array | undefined>;
}

export function createPieceEncoder(
  deps: { readonly compute: Pick<Compute, 'encode'> },
  options: { readonly groupChunks: number },
): PieceEncoder {
  const groups: EncodingGroup[] = [];
  let lengths: number[] = [];
  let views: Uint8Array[] = [];
  const end = (): void => {
    if (lengths.length === 0) return;
    const frame = deps.compute.encode(views);
    frame.catch(() => {}); // seen when it is this group's turn
    groups.push({ lengths, plain: views, frame });
    lengths = [];
    views = [];
  };
  return {
    add(bytes) {
      lengths.push(bytes.length);
      appendView(views, bytes);
      if (lengths.length === options.groupChunks) end();
    },
    end,
    take: () => groups.shift(),
  };
}

/** Adds a view; one that continues the last makes it longer instead, so that a run of chunks of one block is one write. */
export function appendView(views: Uint8Array[], view: Uint8Array): void {
  const last = views.at(-1);
  if (last && last.buffer === view.buffer && last.byteOffset + last.byteLength === view.byteOffset) {
    views[views.length - 1] = new Uint8Array(last.buffer, last.byteOffset, last.byteLength + view.byteLength);
  } else views.push(view);
}
