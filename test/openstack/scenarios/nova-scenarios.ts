import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeBytes } from './made-bytes.ts';
import type { Scenario, Stage } from './scenario.ts';

// Larger than what the façade always leaves to Glance.
const base = makeBytes('base', 1_500_000);
const UNKNOWN = '00000000-0000-4000-8000-000000000000';
const INSTANCE = '11111111-0000-4000-8000-000000000000';

async function makeImage(stage: Stage, visibility = 'private'): Promise<string> {
  const image = { name: 'base', diskFormat: 'raw', bytes: base, more: { visibility } } as const;
  return (await stage.straight(stage.alice).createImage(image)).id;
}

/** The outcome tells whether the file at `path` is what it should be. */
async function sameFile(path: string, bytes: Uint8Array): Promise<void> {
  const found = createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
  if (found !== createHash('sha256').update(bytes).digest('hex')) throw new Error(`${path} holds other bytes`);
}

export const novaScenarios: readonly Scenario[] = [
  {
    title: 'Nova downloads an image twice',
    statuses: '200 200 200 200',
    async run(stage) {
      const id = await makeImage(stage);
      const path = join(stage.dir, 'downloaded');
      for (let i = 0; i < 2; i += 1) {
        await stage.nova(stage.alice).download(id, path);
        await sameFile(path, base);
      }
      await stage.straight(stage.alice).delete(id);
    },
  },
  {
    title: 'Nova unshelves, which deletes the image, and cannot do it again',
    statuses: '200 200 200 200 200 200 204 404',
    async run(stage) {
      const id = await makeImage(stage);
      const path = join(stage.dir, 'unshelved');
      await stage.nova(stage.alice).unshelve(id, path);
      await sameFile(path, base);
      await stage.outcome(stage.nova(stage.alice).unshelve(id, path));
    },
  },
  {
    title: 'Nova shelves and unshelves',
    statuses: '200 201 200 200 200 200 200 200 200 200 200 204 200 200 200 200 200 200 200 200 204',
    async run(stage) {
      const id = await makeImage(stage);
      const path = join(stage.dir, 'snapshot');
      const bytes = Buffer.concat([base, makeBytes('written by the guest', 100_000)]);
      await writeFile(path, bytes);
      const nova = stage.nova(stage.alice);
      const shelved = { path, base: id, name: 'vm-shelved', instance: INSTANCE, format: 'raw' } as const;
      const snapshot = await nova.shelve(shelved);
      await nova.unshelve(snapshot, `${path}.back`);
      await sameFile(`${path}.back`, bytes);
      await stage.straight(stage.alice).delete(id);
    },
  },
  {
    title: 'Nova with the token of another project finds nothing',
    statuses: '404 404 404 404',
    async run(stage) {
      const id = await makeImage(stage);
      const nova = stage.nova(stage.bob);
      await stage.outcome(nova.show(id));
      await stage.outcome(nova.download(id, join(stage.dir, 'never')));
      await stage.outcome(nova.unshelve(id, join(stage.dir, 'never')));
      await stage.outcome(nova.delete(id));
      await stage.straight(stage.alice).delete(id);
    },
  },
  {
    title: 'Nova of a project that an image is shared with downloads it, and may not delete it',
    statuses: '200 200 200 403 200 200',
    async run(stage) {
      const id = await makeImage(stage, 'shared');
      const member = JSON.stringify({ member: stage.bob.projectId });
      await stage.call('POST', `/v2/images/${id}/members`, stage.alice, {
        headers: { 'content-type': 'application/json' },
        body: member,
      });
      const path = join(stage.dir, 'shared');
      await stage.nova(stage.bob).download(id, path);
      await sameFile(path, base);
      await stage.outcome(stage.nova(stage.bob).delete(id));
      await stage.nova(stage.alice).download(id, path);
      await stage.straight(stage.alice).delete(id);
    },
  },
  {
    title: 'a deactivated image is had by the administrator only',
    statuses: '200 200 200 403 200 200',
    async run(stage) {
      const id = await makeImage(stage);
      const path = join(stage.dir, 'deactivated');
      await stage.nova(stage.alice).download(id, path);
      await stage.straight(stage.alice).deactivate(id);
      await stage.outcome(stage.nova(stage.alice).download(id, path));
      await stage.nova(stage.admin).download(id, path);
      await sameFile(path, base);
      await stage.straight(stage.alice).delete(id);
    },
  },
  {
    title: 'a deleted image, and one that never was',
    statuses: '200 200 204 404 404 404 404 404',
    async run(stage) {
      const id = await makeImage(stage);
      const path = join(stage.dir, 'deleted');
      const nova = stage.nova(stage.alice);
      await nova.download(id, path);
      await nova.delete(id);
      await stage.outcome(nova.show(id));
      await stage.outcome(nova.download(id, path));
      await stage.outcome(nova.delete(id));
      await stage.outcome(nova.download(UNKNOWN, path));
      await stage.outcome(nova.unshelve(UNKNOWN, path));
    },
  },
  {
    title: 'a token that is none',
    statuses: '401 401 401',
    async run(stage) {
      const id = await makeImage(stage);
      const nova = stage.nova({ ...stage.alice, token: 'nobody' });
      await stage.outcome(nova.show(id));
      await stage.outcome(nova.download(id, join(stage.dir, 'never')));
      await stage.outcome(nova.delete(id));
      await stage.straight(stage.alice).delete(id);
    },
  },
  {
    title: 'an image without data is unacceptable to Nova',
    statuses: '200 204',
    async run(stage) {
      const image = await stage.straight(stage.alice).createImage({ name: 'queued', diskFormat: 'raw' });
      await stage.outcome(stage.nova(stage.alice).download(image.id, join(stage.dir, 'never')));
      await stage.straight(stage.alice).delete(image.id);
    },
  },
  {
    title: 'Nova sends its own token beside the user’s',
    statuses: '200 200 200 200 200 200 204',
    async run(stage) {
      const id = await makeImage(stage);
      const service_user = {
        send_service_user_token: true,
        auth_type: 'password',
        auth_url: stage.keystoneUrl,
        username: 'nova',
        password: 'secret',
        project_name: 'service',
        user_domain_name: 'Default',
        project_domain_name: 'Default',
      };
      const path = join(stage.dir, 'with-service-token');
      await stage.nova(stage.alice, { service_user }).unshelve(id, path);
      await sameFile(path, base);
    },
  },
];
