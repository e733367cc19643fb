import { randomUUID } from 'node:crypto';
import type { Scenario } from './scenario.ts';
import { json, large, octets, withImage } from './with-image.ts';

const UNKNOWN = '00000000-0000-4000-8000-000000000000';

export const uploadScenarios: readonly Scenario[] = [
  {
    title: 'uploads: with a length, in chunks, after a question, of nothing, and a second time',
    statuses:
      '204 200 200 409 409 200 204 200 200 409 409 200 204 200 200 409 409 200 204 200 200 409 409 200 204 200 200 409 409 200 204 200 200 409 409 200',
    async run(stage) {
      const halves = [large.subarray(0, 500_000), large.subarray(500_000)];
      const ways = [
        { headers: octets, body: large },
        { headers: octets, body: halves },
        { headers: { ...octets, expect: '100-continue' }, body: halves },
        { headers: { ...octets, expect: '100-continue', 'content-length': String(large.length) }, body: large },
        { headers: octets, body: [] },
        { headers: { ...octets, 'x-openstack-image-size': String(large.length) }, body: halves },
      ];
      for (const way of ways) {
        await withImage(stage, undefined, async (file, image) => {
          await stage.call('PUT', file, stage.alice, way);
          await stage.call('GET', image, stage.alice);
          await stage.call('GET', file, stage.alice);
          await stage.call('PUT', file, stage.alice, { headers: octets, body: 'again' });
          await stage.call('PUT', file, stage.alice, { headers: octets, body: [Buffer.from('again')] });
          await stage.call('GET', file, stage.alice);
        });
      }
    },
  },
  {
    title: 'uploads that Glance refuses leave the image as it was',
    statuses: '201 400 204 415 415 415 413 200 204 200 204 200 404',
    async run(stage) {
      const { alice } = stage;
      const { body } = await stage.call('POST', '/v2/images', alice, { headers: json, body: '{"name":"no formats"}' });
      const formless = `/v2/images/${(JSON.parse(body.toString()) as { id: string }).id}`;
      await stage.call('PUT', `${formless}/file`, alice, { headers: octets, body: 'granite' });
      await stage.call('DELETE', formless, alice);
      await withImage(stage, undefined, async (file, image) => {
        await stage.call('PUT', file, alice, { headers: json, body: '{}' });
        await stage.call('PUT', file, alice, { headers: { 'content-type': 'text/plain' }, body: 'granite' });
        await stage.call('PUT', file, alice, { body: 'granite' });
        // One byte more than image_size_cap.
        const tooLarge = Buffer.concat([large, Buffer.alloc(stage.imageSizeCap + 1 - large.length, 7)]);
        await stage.call('PUT', file, alice, { headers: octets, body: [tooLarge] });
        await stage.call('GET', image, alice);
        await stage.call('PUT', file, alice, { headers: octets, body: [large] });
        await stage.call('GET', image, alice);
      });
      await withImage(stage, undefined, async (file, image) => {
        const headers = { 'content-type': 'application/octet-stream; charset=utf-8' };
        await stage.call('PUT', file, alice, { headers, body: large }); // it takes this one
        await stage.call('GET', image, alice);
      });
      await stage.call('PUT', `/v2/images/${UNKNOWN}/file`, alice, { headers: octets, body: 'granite' });
    },
  },
  {
    title: 'what is uploaded is deleted at once, and its name is free for no other',
    statuses: '201 409 204 200 204 404 404 409',
    async run(stage) {
      const { alice } = stage;
      const id = randomUUID();
      const body = JSON.stringify({ id, name: 'chosen', disk_format: 'raw', container_format: 'bare' });
      const file = `/v2/images/${id}/file`;
      await stage.call('POST', '/v2/images', alice, { headers: json, body });
      await stage.call('POST', '/v2/images', alice, { headers: json, body });
      await stage.call('PUT', file, alice, { headers: octets, body: [large] });
      await stage.call('GET', file, alice);
      await stage.call('DELETE', `/v2/images/${id}`, alice);
      await stage.call('GET', file, alice);
      await stage.call('PUT', file, alice, { headers: octets, body: [large] });
      await stage.call('POST', '/v2/images', alice, { headers: json, body });
    },
  },
];
