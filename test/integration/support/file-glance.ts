// What stands for Glance where only reading matters: nginx in the origin's place, serving images by id as files. Nothing of ours: contestants are not ours.
import { link, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '@quarry/runtime';
import type { Lifecycle } from '@quarry/runtime';
import { findCommand, startProcess } from '@quarry/storm';
import { awaitAnswer } from '../../../packages/storm/src/process/await-answer.ts';
import type { SourceImages } from '../../../packages/storm/src/source-images.ts';
import type { StormGlance } from '../../../packages/storm/src/storm-glance.ts';
import type { StormNetwork } from '../../../packages/storm/src/storm-network.ts';

export async function startFileGlance(
  { network, images, lifecycle }: { network: StormNetwork; images: SourceImages; lifecycle: Lifecycle },
  directory: string,
): Promise<StormGlance> {
  const storeDirectory = join(directory, 'store');
  await mkdir(storeDirectory, { recursive: true });
  const ids = images.files.map((_, i) => `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`);
  for (const [i, { path }] of images.files.entries()) await link(path, join(storeDirectory, ids[i] ?? ''));
  const { address, prefix } = network.origin;
  const config = `user root; daemon off; worker_processes 1; pid ${directory}/pid; error_log ${directory}/log warn;
events {}
http {
  access_log off;
  server {
    listen ${address}:9292;
    location ~ ^/v2/images/([^/]+)/file$ { alias ${storeDirectory}/$1; }
    location ~ ^/v2/images/[^/]+$ { return 200 '{}'; }
  }
}
`;
  await writeFile(join(directory, 'conf'), config);
  const nginx = [findCommand('nginx') ?? 'nginx', '-e', join(directory, 'log'), '-c', join(directory, 'conf')];
  const server = startProcess('nginx for Glance', nginx, { signal: lifecycle.signal, prefix });
  lifecycle.onClose('nginx for Glance', () => server.stop());
  const url = `http://${address}:9292`;
  const ask = ['curl', '--silent', '--output', '/dev/null', url];
  await awaitAnswer({ clock: systemClock, server }, ask, { signal: lifecycle.signal, prefix });
  return {
    kind: 'embedded',
    url,
    token: 'token',
    storeDirectory,
    id: (image) => ids[image],
    setId: () => {},
    setFailing: async () => {},
    sentBytes: async () => 0,
  };
}
