import http from 'node:http';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { startUploadGateway, type UploadGateway } from './upload/support/upload-gateway.ts';

const ACTIVE = { status: 'active', size: 1234, os_hash_algo: 'sha512', os_hash_value: 'ab'.repeat(64) };
let running: UploadGateway;

async function open(options: Parameters<typeof startUploadGateway>[0] = {}): Promise<UploadGateway> {
  running = await startUploadGateway(options);
  return running;
}

afterEach(() => running.close());

async function remove(url: string, id: string): Promise<number | undefined> {
  const request = http.request(`${url}/v2/images/${id}`, { method: 'DELETE', headers: { 'Content-Length': 0 } });
  request.end();
  const [answer] = (await once(request, 'response')) as [http.IncomingMessage];
  answer.resume();
  return answer.statusCode;
}

describe('a DELETE', () => {
  test('that Glance carries out makes the cluster forget the image that Glance showed before', async () => {
    const { glance, images, url } = await open();
    const { id } = glance.add(ACTIVE);
    expect(await remove(url, id)).toBe(204);
    const hash = { algorithm: 'sha512', value: ACTIVE.os_hash_value };
    expect(images.forgotten).toMatchObject([{ ref: id, imageBytes: 1234, hash, domain: 'project:project-1' }]);
    expect(glance.requests.map(({ line }) => line)).toEqual([`GET /v2/images/${id}`, `DELETE /v2/images/${id}`]);
  });

  test.for([403, 404, 409, 500])('that Glance refuses with %i changes nothing', async (status) => {
    const { glance, images, url } = await open();
    const { id } = glance.add(ACTIVE);
    glance.deleteStatus = status;
    expect(await remove(url, id)).toBe(status);
    expect(images.forgotten).toEqual([]);
  });

  test('of an image without data, or that Glance does not show, is passed on alone', async () => {
    const { glance, images, url } = await open({ showMs: 30 });
    expect(await remove(url, glance.add().id)).toBe(204);
    glance.onShow = () => true; // and says nothing
    expect(await remove(url, glance.add(ACTIVE).id)).toBe(204);
    expect(images.forgotten).toEqual([]);
  });

  test('is answered at once, whatever becomes of the forgetting', async () => {
    const { glance, images, url } = await open();
    images.onForget = () => Promise.reject(new Error('no peer is there'));
    expect(await remove(url, glance.add(ACTIVE).id)).toBe(204);
    images.onForget = () => new Promise(() => {});
    expect(await remove(url, glance.add(ACTIVE).id)).toBe(204);
    expect(images.forgotten.length).toBe(2);
  });
});
