import type { Scenario } from './scenario.ts';
import { json, large, octets, patch, small, withImage } from './with-image.ts';

export const recordScenarios: readonly Scenario[] = [
  {
    title: 'lists with filters, schemas, versions and what else there is',
    statuses:
      '200 200 200 200 200 400 200 200 300 300 200 200 401 302 401 404 200 200 300 300 401 404 200 200 200 200 200 200 200 200 404 403 200 403',
    async run(stage) {
      await withImage(stage, large, async () => {
        await withImage(stage, small, async () => {
          const lists = [
            '',
            '?name=image',
            '?os_distro=debian&limit=1',
            '?size_max=5000',
            '?sort=name:asc',
            '?limit=x',
          ];
          for (const query of lists) await stage.call('GET', `/v2/images${query}`, stage.alice);
          const { body } = await stage.call('GET', '/v2/images?limit=1&sort=size:desc', stage.alice);
          await stage.call('GET', (JSON.parse(body.toString()) as { next: string }).next, stage.alice);
        });
      });
      for (const path of ['/', '/versions', '/v2', '/v2/', '/healthcheck', '/nowhere', '/v2/nowhere', '/versions/']) {
        await stage.call('GET', path, undefined);
        await stage.call('GET', path, stage.alice);
      }
      for (const name of ['image', 'images', 'member', 'members', 'task']) {
        await stage.call('GET', `/v2/schemas/${name}`, stage.alice);
      }
      for (const path of ['/v2/info/import', '/v2/info/stores', '/v2/tasks', '/v2/metadefs/namespaces', '/v2/cache']) {
        await stage.call('GET', path, stage.alice);
      }
    },
  },
  {
    title: 'changes of the record: patches, tags, import and stage',
    statuses: '200 200 409 403 403 400 415 200 204 204 204 404 400 404 404 400 400 500 400 400 201',
    async run(stage) {
      const { alice } = stage;
      await withImage(stage, undefined, async (_file, image) => {
        const send = async (headers: Readonly<Record<string, string>>, change: unknown): Promise<void> => {
          await stage.call('PATCH', image, alice, { headers, body: JSON.stringify(change) });
        };
        await send(patch, [{ op: 'add', path: '/colour', value: 'grey' }]);
        await send(patch, [{ op: 'remove', path: '/colour' }]);
        await send(patch, [{ op: 'remove', path: '/colour' }]);
        await send(patch, [{ op: 'replace', path: '/id', value: 'x' }]);
        await send(patch, [{ op: 'replace', path: '/os_hash_value', value: 'x' }]);
        await send(patch, { op: 'replace' });
        await send(json, []);
        await send({ 'content-type': 'application/openstack-images-v2.0-json-patch' }, [
          { replace: '/name', value: 'n' },
        ]);
        for (const method of ['PUT', 'PUT', 'DELETE', 'DELETE']) await stage.call(method, `${image}/tags/grey`, alice);
        await stage.call('POST', `${image}/import`, alice, {
          headers: json,
          body: '{"method":{"name":"web-download"}}',
        });
        await stage.call('PUT', `${image}/stage`, alice, { headers: octets, body: [small] });
        await stage.call('GET', `${image}/locations`, alice);
      });
      for (const body of ['', '{', '[]', '{"id":"x"}', '{"disk_format":"granite"}']) {
        await stage.call('POST', '/v2/images', alice, { headers: json, body });
      }
      await stage.call('POST', '/v2/images', alice, { body: '{}' });
    },
  },
];
