/** What `npm run simulate` returns; documented in docs/simulator.md, which a test compares with this table. */
export const exitCodes = {
  ok: { code: 0, doc: 'every invariant held, and everybody who could finish did' },
  broken: {
    code: 1,
    doc: 'an invariant was broken, an unshelve that had to finish did not, or the simulator itself failed',
  },
  usage: {
    code: 2,
    doc: 'a wrong argument, a scenario that does not exist or is malformed, a file that cannot be written',
  },
  interrupted: { code: 130, doc: 'stopped by Ctrl-C or SIGTERM before the end' },
} as const;

/** The reason our own signal handling aborts with. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}
