/** A host's part in the origin budget. */
export interface SimBudget {
  /** Runs `go` when so many bytes may cross the store's link. */
  take(bytes: number, go: () => void): void;
}

/** Where there is no limit nobody waits. */
export const unlimitedBudget: SimBudget = { take: (_bytes, go) => go() };
