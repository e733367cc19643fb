/** What `npm run storm` returns; documented in docs/storm.md, which a test compares with this table. */
export const exitCodes = {
  ok: { code: 0, doc: 'no wrong byte anywhere, and every unshelve through Quarry finished that had to' },
  broken: {
    code: 1,
    doc: 'a wrong byte, an unshelve through Quarry that had to finish and did not, or a part of the harness failed',
  },
  usage: {
    code: 2,
    doc: 'a wrong argument, a scenario that does not exist or that real processes cannot play, no root, a program that is missing',
  },
  interrupted: { code: 130, doc: 'stopped by Ctrl-C or SIGTERM; everything is removed' },
} as const;
