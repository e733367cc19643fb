/**
 * The embedded Glance as a process of its own: its argument is a file with its order as JSON. It says `{"ready":true}` when it listens; a line `{"failing":…}` on
 * standard input changes how it fails, `{"stats":true}` is answered with `{"sentBytes":…}`. It ends when its input does.
 */
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { systemClock } from '@quarry/runtime';
import { createEmbeddedGlance } from './embedded-glance.ts';
import type { GlanceFailure } from './embedded-glance.ts';
import type { GlanceOrder } from './glance-images.ts';

const order = JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')) as GlanceOrder;
const glance = createEmbeddedGlance({ clock: systemClock }, order);
const say = (message: object): void => void process.stdout.write(`${JSON.stringify(message)}\n`);
glance.server.listen(order.port, order.host, () => say({ ready: true }));

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const told = JSON.parse(line) as { failing?: GlanceFailure | null; stats?: true };
  if (told.failing !== undefined) glance.setFailing(told.failing ?? undefined);
  say({ sentBytes: glance.sentBytes() });
});
lines.on('close', () => process.exit(0));
