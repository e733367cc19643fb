import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { parseExchanges, type Exchange } from './parse-exchanges.ts';

/** Stands before an HTTP server, changes no byte, and keeps all of them. */
export interface Recorder {
  /** What a client is told instead of the server's. */
  readonly url: string;
  /** What was exchanged since the last time, in the order in which the requests came. */
  take(): Exchange[];
  close(): Promise<void>;
}

interface Piece {
  /** Orders the pieces of all connections. */
  readonly turn: number;
  readonly bytes: Buffer;
}

interface Connection {
  readonly fromClient: Piece[];
  readonly fromServer: Piece[];
  isOver: boolean;
  /** How many exchanges of it were taken before. */
  taken: number;
}

export async function startRecorder(target: string): Promise<Recorder> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let connections: Connection[] = [];
  let turn = 0;
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const upstream = connect({ host: hostname, port: Number(port), allowHalfOpen: true, noDelay: true });
    const connection: Connection = { fromClient: [], fromServer: [], isOver: false, taken: 0 };
    connections.push(connection);
    const pass = (from: Socket, to: Socket, pieces: Piece[]): void => {
      sockets.add(from);
      from.on('data', (bytes: Buffer) => {
        turn += 1;
        pieces.push({ turn, bytes }); // before it is passed on: who has the answer finds it recorded
        if (!to.write(bytes)) from.pause();
      });
      to.on('drain', () => from.resume());
      from.on('end', () => to.end());
      from.on('error', () => {}); // 'close' follows
      from.on('close', (hadError) => {
        sockets.delete(from);
        connection.isOver = true;
        if (hadError) to.destroy();
      });
    };
    pass(client, upstream, connection.fromClient);
    pass(upstream, client, connection.fromServer);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    take() {
      const placed = connections.flatMap((connection) => {
        const all = parseExchanges({
          fromClient: joined(connection.fromClient),
          fromServer: joined(connection.fromServer),
          isOver: connection.isOver,
        });
        const fresh = all.slice(connection.taken);
        connection.taken = all.length;
        return fresh.map(({ exchange, offset }) => ({ exchange, turn: turnAt(connection.fromClient, offset) }));
      });
      connections = connections.filter(({ isOver }) => !isOver);
      return placed.toSorted((a, b) => a.turn - b.turn).map(({ exchange }) => exchange);
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function joined(pieces: readonly Piece[]): Buffer {
  return Buffer.concat(pieces.map(({ bytes }) => bytes));
}

function turnAt(pieces: readonly Piece[], offset: number): number {
  let end = 0;
  for (const { turn, bytes } of pieces) {
    end += bytes.length;
    if (offset < end) return turn;
  }
  throw new Error(`no piece of the connection holds byte ${offset}`);
}
