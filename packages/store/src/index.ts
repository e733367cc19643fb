// Packs on disk: sparse files for bytes, level for what is known about them.
export {};
