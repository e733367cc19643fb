/** What Nova asks of Glance, request by request, and how one curl asks it over one connection. */

/** One request. Its path is Glance's own. */
export interface NovaRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  readonly path: string;
  /** Sent as JSON of this type. */
  readonly body?: { readonly type: string; readonly json: unknown };
  /** Its answer is image data, for the file; or the file is what it sends, chunked. */
  readonly file?: 'received' | 'sent';
}

const PATCH_TYPE = 'application/openstack-images-v2.1-json-patch';

/** Conductor, image cache, inspection; and, where the server spawned and its image is not needed any more, the deletion. */
export function unshelveRequests(id: string, options: { readonly isDeleted: boolean }): readonly NovaRequest[] {
  const shown = get(`/v2/images/${id}`);
  const schema = get('/v2/schemas/image');
  return [
    shown,
    schema,
    shown,
    { ...get(`/v2/images/${id}/file`), file: 'received' },
    shown,
    schema,
    ...(options.isDeleted ? [{ method: 'DELETE', path: `/v2/images/${id}` } as const] : []),
  ];
}

/** What nova-api asks before the host hears of the shelve: its answer is the record of the image, with its id. */
export function createImageRequest(image: {
  readonly name: string;
  readonly instance: string;
  readonly baseId?: string | undefined;
}): NovaRequest {
  const json = {
    name: `${image.name}-shelved`,
    visibility: 'private',
    min_ram: 0,
    min_disk: 0,
    image_type: 'snapshot',
    instance_uuid: image.instance,
    ...(image.baseId === undefined ? {} : { base_image_ref: image.baseId }),
  };
  return { method: 'POST', path: '/v2/images', body: { type: 'application/json', json } };
}

/** What nova-compute asks for a shelve, the image having been made. The last answer is the record. */
export function shelveRequests(id: string): readonly NovaRequest[] {
  const shown = get(`/v2/images/${id}`);
  const schema = get('/v2/schemas/image');
  const json = Object.entries({
    disk_format: 'raw',
    container_format: 'bare',
    image_location: 'snapshot',
    image_state: 'available',
  }).map(([name, value]) => ({ op: 'add', path: `/${name}`, value }));
  return [
    shown,
    schema,
    shown,
    { method: 'PATCH', path: `/v2/images/${id}`, body: { type: PATCH_TYPE, json } },
    shown,
    schema,
    { method: 'PUT', path: `/v2/images/${id}/file`, file: 'sent' },
    shown,
  ];
}

/**
 * Words of curl that ask `requests` one after the other over one connection and end with the first that fails. Bodies of answers are thrown away, but image data
 * goes to `file`, and with `isLastShown` the last answer to standard output.
 */
export function curlArguments(
  requests: readonly NovaRequest[],
  where: {
    readonly url: string;
    readonly token: string;
    readonly file?: string;
    readonly isLastShown?: boolean;
    /** How often what fails and may pass is asked again, each time a second later. */
    readonly retries?: number;
  },
): readonly string[] {
  const fileOf = ({ path }: NovaRequest): string => {
    if (where.file === undefined) throw new TypeError(`no file is named for ${path}`);
    return where.file;
  };
  return requests.flatMap((request, index) => {
    const { method, path, body, file } = request;
    const isShown = where.isLastShown === true && index === requests.length - 1;
    const output = isShown ? [] : ['--output', file === 'received' ? fileOf(request) : '/dev/null'];
    return [
      index > 0 ? '--next' : '--fail-early',
      '--silent',
      '--show-error',
      '--fail',
      ...(where.retries === undefined ? [] : ['--retry', String(where.retries), '--retry-delay', '1']),
      ...(method === 'GET' || method === 'PUT' ? [] : ['--request', method]),
      '--header',
      `X-Auth-Token: ${where.token}`,
      '--header',
      `Content-Type: ${body?.type ?? 'application/octet-stream'}`,
      ...(body ? ['--data', JSON.stringify(body.json)] : []),
      // it is not said how much comes, and nobody is asked whether it may
      ...(file === 'sent'
        ? ['--upload-file', fileOf(request), '--header', 'Transfer-Encoding: chunked', '--header', 'Expect:']
        : []),
      ...output,
      `${where.url}${path}`,
    ];
  });
}

function get(path: string): NovaRequest {
  return { method: 'GET', path };
}
