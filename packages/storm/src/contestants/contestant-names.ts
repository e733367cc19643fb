/** In the order in which they run: Quarry first, then from the quickest to the slowest. */
export const contestantNames = ['quarry', 'aria2', 'libtorrent', 'rack-cache', 'shared-file', 'direct'] as const;

export type ContestantName = (typeof contestantNames)[number];
