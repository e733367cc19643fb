import type { Identity } from '../keystone-client.ts';
import type { Scenario } from './scenario.ts';
import { json, large, octets, patch, withImage } from './with-image.ts';

const nobody: Identity = { userId: '', projectId: '', token: 'nobody' };

export const permissionScenarios: readonly Scenario[] = [
  {
    title: 'no token, a bad one, and one of another project, in every form of an error',
    statuses:
      '200 401 401 401 401 401 401 401 401 401 401 401 401 401 401 401 404 404 404 404 404 404 404 404 404 404 404 404 404 200 400 401 401 401 401 401 401 404 404 404',
    async run(stage) {
      await withImage(stage, large, async (file, image) => {
        await stage.call('GET', file, stage.alice); // from now on Quarry could give it
        for (const as of [undefined, stage.bob]) {
          for (const accept of ['*/*', 'application/json', 'text/plain', 'text/html', 'image/png']) {
            for (const path of [image, file]) await stage.call('GET', path, as, { headers: { accept } });
          }
          await stage.call('GET', file, as, { headers: { range: 'bytes=0-9' } });
          await stage.call('GET', file, as, { headers: { range: `bytes=${large.length}-` } });
          await stage.call('PATCH', image, as, { headers: patch, body: '[]' });
          await stage.call('GET', '/v2/images', as);
          await stage.call('POST', '/v2/images', as, { headers: json, body: '{"name":1}' });
        }
        // A bad token costs Keystone a third of a second each time.
        for (const as of [undefined, nobody, stage.bob]) {
          await stage.call('GET', file, as);
          await stage.call('PUT', file, as, { headers: octets, body: 'granite' });
          await stage.call('DELETE', image, as);
        }
      });
    },
  },
  {
    title: 'a shared image before, while and after it is shared',
    statuses: '404 200 409 200 200 200 200 200 206 403 403 200 204 404 200',
    async run(stage) {
      const { alice, bob } = stage;
      await withImage(
        stage,
        large,
        async (file, image) => {
          const members = `${image}/members`;
          const member = `${members}/${bob.projectId}`;
          const body = JSON.stringify({ member: bob.projectId });
          await stage.call('GET', file, bob);
          await stage.call('POST', members, alice, { headers: json, body });
          await stage.call('POST', members, alice, { headers: json, body });
          await stage.call('GET', file, bob);
          await stage.call('GET', member, bob);
          await stage.call('PUT', member, bob, { headers: json, body: '{"status":"accepted"}' });
          await stage.call('GET', image, bob);
          await stage.call('GET', file, bob);
          await stage.call('GET', file, bob, { headers: { range: 'bytes=5-9' } });
          await stage.call('DELETE', image, bob);
          await stage.call('PUT', file, bob, { headers: octets, body: 'granite' });
          await stage.call('GET', members, alice);
          await stage.call('DELETE', member, alice);
          await stage.call('GET', file, bob);
          await stage.call('GET', file, alice);
        },
        'shared',
      );
    },
  },
  {
    title: 'an image that is deactivated and reactivated, one that is public, one that is protected',
    statuses: '200 204 403 403 403 403 200 200 204 200 200 200 403 200 403 200 204 404 404 404 404',
    async run(stage) {
      const { alice, admin, bob } = stage;
      await withImage(stage, large, async (file, image) => {
        await stage.call('GET', file, alice);
        await stage.call('POST', `${image}/actions/deactivate`, alice);
        for (const accept of ['*/*', 'application/json']) {
          await stage.call('GET', file, alice, { headers: { accept } });
          await stage.call('GET', file, alice, { headers: { accept, range: 'bytes=0-9' } });
        }
        await stage.call('GET', image, alice);
        await stage.call('GET', file, admin);
        await stage.call('POST', `${image}/actions/reactivate`, admin);
        await stage.call('GET', file, alice);
        const replace = (path: string, value: unknown): string => JSON.stringify([{ op: 'replace', path, value }]);
        await stage.call('PATCH', image, admin, { headers: patch, body: replace('/visibility', 'public') });
        await stage.call('GET', file, bob);
        await stage.call('DELETE', image, bob);
        await stage.call('PATCH', image, alice, { headers: patch, body: replace('/protected', true) });
        await stage.call('DELETE', image, alice);
        await stage.call('PATCH', image, alice, { headers: patch, body: replace('/protected', false) });
        await stage.call('DELETE', image, alice);
        await stage.call('DELETE', image, alice);
        await stage.call('GET', image, alice);
        await stage.call('GET', file, alice);
        await stage.call('GET', file, bob);
      });
    },
  },
];
