/**
 * One host that unshelves as Nova does today: a GET of the whole image from the origin into a file, flushed to disk. Says `{"ready":true}`,
 * starts at a line on standard input, says `{"doneMs":…}` (milliseconds it took), and ends at another line.
 */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { systemClock } from '@quarry/runtime';

const [url = '', destination = ''] = process.argv.slice(2);
process.on('SIGTERM', () => process.exit(0));
process.stdout.write('{"ready":true}\n');
await once(process.stdin, 'data');
const startedMs = systemClock.now();
const outgoing = request(url).end();
const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
if (response.statusCode !== 200) throw new Error(`${url} answered ${response.statusCode}`);
await pipeline(response, createWriteStream(destination, { flush: true }));
process.stdout.write(`${JSON.stringify({ doneMs: systemClock.now() - startedMs })}\n`);
// stays until its usage has been read
await once(process.stdin, 'data');
process.exit(0);
