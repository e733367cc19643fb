import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';

/** What of an image's record the tests look at; Glance's own names. */
export interface GlanceImage {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly size: number | null;
  readonly disk_format: string | null;
  readonly os_hash_algo: string | null;
  readonly os_hash_value: string | null;
}

export interface NewGlanceImage {
  readonly name: string;
  readonly diskFormat: 'raw' | 'qcow2';
  /** The data; with neither this nor `path` the image stays queued. */
  readonly bytes?: Uint8Array;
  readonly path?: string;
  readonly id?: string;
  /** Further attributes and properties of the record, in Glance's own names. */
  readonly more?: Readonly<Record<string, string>>;
}

export interface GlanceClient {
  /** Creates an image, uploads its data if there is any, and returns the record as it then is. */
  createImage(image: NewGlanceImage): Promise<GlanceImage>;
  getImage(id: string): Promise<GlanceImage>;
  deactivate(id: string): Promise<void>;
  reactivate(id: string): Promise<void>;
  delete(id: string): Promise<void>;
}

/**
 * Images put in and changed as an operator would, or the user whose token it is. For tests: an unexpected answer throws, and
 * nothing is retried.
 */
export function createGlanceClient(url: string, token?: string): GlanceClient {
  const call = async (
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body?: string | ReadableStream<Uint8Array>,
  ) => {
    const response = await fetch(`${url}/v2/images${path}`, {
      method,
      headers: token === undefined ? headers : { ...headers, 'x-auth-token': token },
      ...(body === undefined ? {} : { body, duplex: 'half' }),
    });
    if (!response.ok) throw new Error(`${method} /v2/images${path}: ${response.status} ${await response.text()}`);
    return response;
  };
  const getImage = async (id: string): Promise<GlanceImage> =>
    (await (await call('GET', `/${id}`)).json()) as GlanceImage;
  return {
    getImage,
    async createImage({ name, diskFormat, bytes, path, id, more }) {
      const formats = { disk_format: diskFormat, container_format: 'bare' };
      const record = { name, ...formats, ...(id === undefined ? {} : { id }), ...more };
      const created = await call('POST', '', { 'content-type': 'application/json' }, JSON.stringify(record));
      const image = (await created.json()) as GlanceImage;
      const source = path === undefined ? bytes && Readable.from([bytes]) : createReadStream(path);
      if (source === undefined) return image;
      // In chunks without a length, as Nova sends it.
      const data = Readable.toWeb(source) as ReadableStream<Uint8Array>;
      await call('PUT', `/${image.id}/file`, { 'content-type': 'application/octet-stream' }, data);
      return await getImage(image.id);
    },
    async deactivate(id) {
      await call('POST', `/${id}/actions/deactivate`);
    },
    async reactivate(id) {
      await call('POST', `/${id}/actions/reactivate`);
    },
    async delete(id) {
      await call('DELETE', `/${id}`);
    },
  };
}
