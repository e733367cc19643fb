/** A socket that was opened by whoever started this process, and listens already. */
export interface InheritedSocket {
  readonly fd: number;
  /** `FileDescriptorName=` of its unit; `unknown` where none was given. */
  readonly name: string;
}

const FIRST_FD = 3;
const MAX_SOCKETS = 64;

/**
 * The sockets that systemd hands over, sd_listen_fds(3): `LISTEN_FDS` of them from descriptor 3 on, if `LISTEN_PID` is this process. Variables meant for
 * another process, which a wrapper passed on, are none of ours: its descriptors may be anything.
 */
export function parseListenFds(
  environment: Readonly<Record<string, string | undefined>>,
  pid: number,
): readonly InheritedSocket[] {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = environment;
  if (LISTEN_PID !== String(pid) || LISTEN_FDS === undefined || !/^\d{1,3}$/.test(LISTEN_FDS)) return [];
  const count = Math.min(Number(LISTEN_FDS), MAX_SOCKETS);
  const names = LISTEN_FDNAMES?.split(':') ?? [];
  return Array.from({ length: count }, (_, i) => ({ fd: FIRST_FD + i, name: names[i] || 'unknown' }));
}

/** The socket of that name; where nothing has a name and there is one socket only, that one. */
export function findInheritedSocket(sockets: readonly InheritedSocket[], name: string): InheritedSocket | undefined {
  const named = sockets.find((socket) => socket.name === name);
  if (named) return named;
  const [only] = sockets;
  return sockets.length === 1 && only?.name === 'unknown' ? only : undefined;
}
