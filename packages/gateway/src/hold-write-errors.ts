import type { Socket } from 'node:net';
import type { Clock } from '@quarry/runtime';

type Done = (error?: Error | null) => void;

/**
 * Lets what the other side said be read although it does not listen any more. A server that answers in the middle of a body and closes resets the
 * connection; the write that finds out would have Node throw the socket away, with the answer that lies in it unread, and a 413 would be a broken connection.
 * So a failed write fails only when reading has come to its end, too, or after `graceMs`.
 */
export function holdWriteErrors(socket: Socket, clock: Clock, graceMs: number): void {
  let isOver = false;
  const waiting: (() => void)[] = [];
  const release = (): void => {
    isOver = true;
    for (const fail of waiting.splice(0)) fail();
  };
  socket.once('end', release);
  socket.once('close', release);
  const held =
    (done: Done): Done =>
    (error) => {
      if (!error || isOver) return done(error);
      waiting.push(() => done(error));
      if (waiting.length === 1) clock.after(graceMs, release);
    };
  const write = socket._write.bind(socket);
  const writeMany = socket._writev?.bind(socket);
  socket._write = (chunk, encoding, done) => write(chunk, encoding, held(done));
  if (writeMany) socket._writev = (chunks, done) => writeMany(chunks, held(done));
}
