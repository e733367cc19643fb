/** What a simulation found; `npm run simulate -- --json` prints it as one object. Seconds are virtual but for `realSeconds`. */
export interface SimulationReport {
  readonly scenario: string;
  readonly seed: number;
  readonly nodes: number;
  /** Unshelves. */
  readonly finished: number;
  /** Unshelves on hosts that live to the end, or end before they die. */
  readonly expectedToFinish: number;
  readonly makespanSeconds: number;
  readonly boundSeconds: number;
  readonly ratio: number;
  /** Durations of unshelves. */
  readonly p50Seconds: number;
  readonly p99Seconds: number;
  readonly originBytes: number;
  readonly uniqueBytes: number;
  readonly originAmplification: number;
  readonly duplicateBytes: number;
  readonly crossZoneBytes: number;
  readonly badChunksAccepted: number;
  readonly invariantsBroken: number;
  readonly realSeconds: number;
}
