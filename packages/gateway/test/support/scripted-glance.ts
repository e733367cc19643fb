import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A request as it came over the wire. */
export interface WireRequest {
  readonly method: string;
  readonly target: string;
  /** Lines of the head after the first, as they came. */
  readonly lines: readonly string[];
  /** By lower-case name, the last of repeated ones. */
  readonly headers: Readonly<Record<string, string>>;
  /** Everything after the head, as it comes: chunked bodies still in their chunks. */
  readonly body: AsyncIterable<Buffer>;
  readonly socket: Socket;
  /** The number of its connection, from 0. */
  readonly connection: number;
}

export interface ScriptedGlance {
  readonly url: string;
  readonly port: number;
  readonly requests: WireRequest[];
  readonly sockets: Set<Socket>;
  /** How many connections there have been. */
  readonly connections: number;
  /** Takes no more connections: the next are refused. Open ones stay. */
  refuse(): Promise<void>;
  close(): Promise<void>;
}

/**
 * A server in the place of Glance that writes what a test wants byte for byte: what a real one cannot be brought to do. `answer` runs for each request; a
 * connection carries several where its answers say where they end.
 */
export async function startScriptedGlance(
  answer: (request: WireRequest) => void | Promise<void>,
): Promise<ScriptedGlance> {
  const requests: WireRequest[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    const connection = connections++;
    let head = Buffer.alloc(0);
    let bodyLeft = 0;
    let push: ((bytes: Buffer | undefined) => void) | undefined;
    const onData = (bytes: Buffer): void => {
      if (bodyLeft > 0) {
        const ours = bytes.subarray(0, bodyLeft);
        bodyLeft -= ours.length;
        push?.(ours);
        if (bodyLeft === 0) push?.(undefined);
        if (ours.length < bytes.length) onData(bytes.subarray(ours.length));
        return;
      }
      head = Buffer.concat([head, bytes]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      const [first = '', ...lines] = head.subarray(0, end).toString('latin1').split('\r\n');
      const rest = head.subarray(end + 4);
      head = Buffer.alloc(0);
      const [method = '', target = ''] = first.split(' ');
      const headers = Object.fromEntries(
        lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
      );
      // A chunked body is never told from what follows: such a connection has one request.
      bodyLeft = headers['transfer-encoding'] ? Infinity : Number(headers['content-length'] ?? 0);
      const queue: (Buffer | undefined)[] = [];
      let wake: (() => void) | undefined;
      push = (block) => {
        queue.push(block);
        wake?.();
      };
      socket.on('end', () => push?.(undefined));
      socket.on('close', () => push?.(undefined));
      if (bodyLeft === 0) push(undefined);
      const body = (async function* () {
        for (;;) {
          while (queue.length === 0) {
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
          }
          const block = queue.shift();
          if (block === undefined) return;
          yield block;
        }
      })();
      const request = { method, target, lines, headers, body, socket, connection };
      requests.push(request);
      Promise.resolve(answer(request)).catch((error: unknown) => socket.destroy(error as Error));
      if (rest.length > 0) onData(rest);
    };
    socket.on('data', onData);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  let refused: Promise<void> | undefined;
  const refuse = (): Promise<void> =>
    (refused ??= new Promise((resolve) => {
      server.close(() => {});
      resolve();
    }));
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    requests,
    sockets,
    get connections() {
      return connections;
    },
    refuse,
    async close() {
      await refuse();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Writes an answer with a length. */
export function reply(
  { socket }: Pick<WireRequest, 'socket'>,
  status: string,
  headers: readonly (readonly [string, string])[],
  body: Uint8Array | string = '',
): void {
  const bytes = Buffer.from(body as string);
  const lines = [...headers.map(([name, value]) => `${name}: ${value}\r\n`), `Content-Length: ${bytes.length}\r\n`];
  socket.write(`HTTP/1.1 ${status}\r\n${lines.join('')}\r\n`);
  if (bytes.length > 0) socket.write(bytes);
}
