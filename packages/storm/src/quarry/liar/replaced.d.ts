/** What the lying build needs of the modules that it stands instead of. tools/bundle.ts resolves these names. */
declare module 'replaced:packages/swarm/src/transfer/read-for-sending.ts' {
  export const readForSending: (...given: readonly unknown[]) => Promise<{ readonly bytes: Uint8Array } | undefined>;
}

declare module 'replaced:packages/swarm/src/protocol/haves-message.ts' {
  interface PackHave {
    readonly pack: string;
    readonly set: { readonly whole: Uint8Array; readonly partial: readonly unknown[] };
  }
  export const encodeHavesMessage: (message: { readonly packs: readonly PackHave[] }) => Uint8Array;
  export const writePackHaves: (writer: unknown, packs: readonly PackHave[]) => void;
}
