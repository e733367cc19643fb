// Image to packs and back: ingest, read, rebuild, verify. Sees ports only.
export {};
