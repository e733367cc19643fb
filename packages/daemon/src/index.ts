// The composition root: configuration, roles, command line, control socket.
export type * from './piece-log/log-line.ts';
