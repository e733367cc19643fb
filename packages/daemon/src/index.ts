/** The composition root: configuration, roles, command line, control socket. What is exported is how others speak to a daemon that runs, and read its log. */
export { createControlClient } from './control/control-client.ts';
export type { ControlClient } from './control/control-client.ts';
export type { DaemonStatus } from './daemon.ts';
export type * from './piece-log/log-line.ts';
