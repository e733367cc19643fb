/** What a compute host asks of its façade, as Nova does it, in words of curl. */
import { facadeAddress } from './node-flags.ts';

const facade = `http://${facadeAddress}`;

/** What Nova asks for an unshelve: what the image is, and its data into the file; `range`: only so much of it. */
export function unshelveWords(id: string, token: string, file: string): readonly string[] {
  const auth = authWords(token);
  return [
    [...auth, '--output', '/dev/null', `${facade}/v2/images/${id}`, '--next'],
    [...auth, '--output', file, `${facade}/v2/images/${id}/file`],
  ].flat();
}

/** Reads of parts of an image, one after the other, thrown away. */
export function readWords(
  id: string,
  token: string,
  ranges: readonly { readonly offset: number; readonly length: number }[],
): readonly string[] {
  return ranges.flatMap(({ offset, length }, i) => [
    ...(i > 0 ? ['--next'] : []),
    ...authWords(token),
    '--range',
    `${offset}-${offset + length - 1}`,
    '--output',
    '/dev/null',
    `${facade}/v2/images/${id}/file`,
  ]);
}

/** nova-api makes the image of a shelve at Glance itself, before the host hears of it. It answers with the record. */
export function createImageWords(
  glanceUrl: string,
  token: string,
  image: { readonly name: string; readonly baseId: string | undefined; readonly instance: string },
): readonly string[] {
  const record = {
    name: `${image.name}-shelved`,
    visibility: 'private',
    image_type: 'snapshot',
    instance_uuid: image.instance,
    ...(image.baseId === undefined ? {} : { base_image_ref: image.baseId }),
  };
  const json = ['--header', 'Content-Type: application/json', '--data', JSON.stringify(record)];
  return [...authWords(token), ...json, `${glanceUrl}/v2/images`];
}

/** Nova's upload: looks, names the format, sends the data without saying how much it is, looks again. The last answer is the record. */
export function uploadWords(id: string, token: string, file: string): readonly string[] {
  const auth = authWords(token);
  const image = `${facade}/v2/images/${id}`;
  const formats = [
    { op: 'add', path: '/disk_format', value: 'raw' },
    { op: 'add', path: '/container_format', value: 'bare' },
  ];
  const patchType = 'Content-Type: application/openstack-images-v2.1-json-patch';
  return [
    [...auth, '--output', '/dev/null', image, '--next'],
    [...auth, '--output', '/dev/null', '--request', 'PATCH', '--header', patchType],
    ['--data', JSON.stringify(formats), image, '--next'],
    [...auth, '--output', '/dev/null', '--upload-file', file],
    ['--header', 'Content-Type: application/octet-stream', '--header', 'Transfer-Encoding: chunked'],
    ['--header', 'Expect:', `${image}/file`, '--next'],
    [...auth, image],
  ].flat();
}

/** What Nova does with a snapshot once its instance runs again. */
export function deleteWords(id: string, token: string): readonly string[] {
  return [...authWords(token), '--request', 'DELETE', `${facade}/v2/images/${id}`];
}

/** Writes the status of the answer to a read, whatever it is. */
export function statusWords(id: string, token: string): readonly string[] {
  const auth = ['--silent', '--show-error', '--header', `X-Auth-Token: ${token}`];
  return [...auth, '--output', '/dev/null', '--write-out', '%{http_code}', `${facade}/v2/images/${id}/file`];
}

function authWords(token: string): readonly string[] {
  return ['--silent', '--show-error', '--fail', '--header', `X-Auth-Token: ${token}`];
}
