/**
 * The embedded Glance as a process of its own: `embedded-glance-process.ts PLAN.json`. Orders and answers are lines of JSON on standard input and output;
 * it says `{"ready":true,"port":…}` when it listens, and ends with its standard input.
 */
import { link, mkdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { systemClock, systemClockEpochMs } from '@quarry/runtime';
import { createEmbeddedGlance } from './embedded-glance.ts';
import type { EmbeddedGlance, EmbeddedGlanceOptions } from './embedded-glance.ts';
import { createImageTable } from './image-table.ts';
import type { RegisteredImage } from './image-table.ts';

/** The plan's file. */
export interface EmbeddedGlancePlan extends EmbeddedGlanceOptions {
  readonly address: string;
  /** 0: a free one. */
  readonly port: number;
  /** The token's project. */
  readonly owner: string;
  readonly images: readonly (RegisteredImage & { readonly path: string })[];
}

/** What it is told. */
export type EmbeddedGlanceOrder = { readonly fail: EmbeddedGlance['failing'] } | { readonly stats: true };

const plan = JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')) as EmbeddedGlancePlan;
const now = (): number => systemClockEpochMs + systemClock.now();
const table = createImageTable({ now }, plan);
await mkdir(plan.storeDirectory, { recursive: true });
for (const { path, ...image } of plan.images) {
  const inStore = join(plan.storeDirectory, image.id);
  // on another file system there is no second name
  await link(path, inStore).catch(async () => await symlink(path, inStore));
  table.register(image);
}
const glance = createEmbeddedGlance({ clock: systemClock, table }, plan);
const say = (answer: object): void => void process.stdout.write(`${JSON.stringify(answer)}\n`);
glance.server.listen(plan.port, plan.address, 1024, () => {
  const at = glance.server.address();
  say({ ready: true, port: typeof at === 'object' && at !== null ? at.port : plan.port });
});
const orders = createInterface({ input: process.stdin });
orders.on('line', (line) => {
  const order = JSON.parse(line) as EmbeddedGlanceOrder;
  if ('fail' in order) {
    glance.failing = order.fail;
    say({ fail: order.fail });
  } else say({ sentBytes: glance.sentBytes });
});
orders.on('close', () => process.exit(0));
