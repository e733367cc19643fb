import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';

// Below the range from which the kernel takes ports for outgoing connections, so that none of those comes in between.
const FIRST_PORT = 12_000;
const END_PORT = 32_000;

/** A loopback port that nobody listens on now. It is not held: whoever binds it next must look at `listenerCount` afterwards. */
export async function findFreePort(): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const port = randomInt(FIRST_PORT, END_PORT);
    const server = createServer();
    try {
      server.listen({ port, host: '127.0.0.1', exclusive: true });
      await once(server, 'listening');
      return port;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
    } finally {
      server.close();
    }
  }
  throw new Error(`no free port among 50 tried from ${FIRST_PORT} to ${END_PORT - 1}: who listens on so many?`);
}

/**
 * How many sockets listen on an IPv4 port. Glance binds with SO_REUSEPORT: a second one on the same port is no error, the
 * kernel spreads the connections over both, and each test sees the other's images now and then.
 */
export async function listenerCount(port: number): Promise<number> {
  const listening = new RegExp(`^\\s*\\d+: [0-9A-F]{8}:${port.toString(16).toUpperCase().padStart(4, '0')} \\S+ 0A `);
  const table = await readFile('/proc/net/tcp', 'utf8');
  return table.split('\n').filter((line) => listening.test(line)).length;
}
