// The nouns: chunk, piece, pack, manifest; their codecs, the pure algorithms on them, and the ports.
export {};
