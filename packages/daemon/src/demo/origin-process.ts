/** The demo's origin: serves one directory's files over HTTP on a free loopback port, as a store behind Glance would. Says `{"port":…}`. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';

const directory = process.argv[2] ?? '.';

const server = createServer((request, response) => {
  const path = join(directory, basename(decodeURIComponent(request.url ?? '')));
  const serve = async (): Promise<void> => {
    const found = await stat(path).catch(() => undefined);
    if (!found?.isFile()) return void response.writeHead(404).end();
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': found.size });
    await pipeline(createReadStream(path, { highWaterMark: 1 << 18 }), response);
  };
  serve().catch(() => response.destroy());
});
server.listen(0, '127.0.0.1', () =>
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`),
);
process.on('SIGTERM', () => process.exit(0));
