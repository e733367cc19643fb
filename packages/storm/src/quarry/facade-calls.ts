/** What a compute host asks of its façade, as Nova does it, in words of curl. */
import { createImageRequest, curlArguments, shelveRequests, unshelveRequests } from '../glance/nova-requests.ts';
import { facadeUrl as facade } from './node-flags.ts';

/** All that Nova asks for an unshelve, its data into the file. The image is not deleted: another host may be unshelving it. */
export function unshelveWords(id: string, token: string, file: string): readonly string[] {
  return curlArguments(unshelveRequests(id, { isDeleted: false }), { url: facade, token, file });
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
  return curlArguments([createImageRequest(image)], { url: glanceUrl, token, isLastShown: true });
}

/** Nova's upload: looks, names the format, sends the data without saying how much it is, looks again. The last answer is the record. */
export function uploadWords(id: string, token: string, file: string): readonly string[] {
  return curlArguments(shelveRequests(id), { url: facade, token, file, isLastShown: true });
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
