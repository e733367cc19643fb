import { CodedError } from '@quarry/runtime';

export type ControlErrorCode =
  /** No daemon listens on the socket. */
  | 'CONTROL_NO_DAEMON'
  /** The socket is there and may not be opened. */
  | 'CONTROL_FORBIDDEN'
  /** The socket's path is taken by something else, or too long for a unix socket (107 bytes). */
  | 'CONTROL_BAD_SOCKET'
  /** The daemon went away in the middle of an answer. */
  | 'CONTROL_LOST'
  /** A request that the control interface does not understand. */
  | 'CONTROL_BAD_REQUEST'
  /** What the daemon reported; `details.codes` are the daemon's own codes, outermost first. */
  | 'CONTROL_REMOTE';

export class ControlError extends CodedError<ControlErrorCode> {}
