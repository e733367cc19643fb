/** What a compute host asks of Glance, or of what stands for it, in words of curl. */
import { curlArguments, unshelveRequests } from '../glance/nova-requests.ts';

/** Into the file; `from` is where Glance is, as `http://10.0.0.1:9292`. Nova asks a Glance that is busy three times more ([glance] num_retries). */
export function fetchCommand(
  from: string,
  { id, token, file }: { readonly id: string; readonly token: string; readonly file: string },
): readonly string[] {
  const words = curlArguments(unshelveRequests(id, { isDeleted: false }), { url: from, token, file, retries: 3 });
  return ['curl', ...words];
}

/** nova-api makes the image of a shelve before the host hears of it. It answers with the record. */
export function createCommand(glance: string, token: string, name: string): readonly string[] {
  const record = { name, visibility: 'private', disk_format: 'raw', container_format: 'bare' };
  const json = ['--header', 'Content-Type: application/json', '--data', JSON.stringify(record)];
  return ['curl', ...authWords(token), ...json, `${glance}/v2/images`];
}

/** Nova does not say how much it is. */
export function uploadCommand(
  glance: string,
  { id, token, file }: { readonly id: string; readonly token: string; readonly file: string },
): readonly string[] {
  const headers = ['Content-Type: application/octet-stream', 'Transfer-Encoding: chunked', 'Expect:'];
  const words = headers.flatMap((header) => ['--header', header]);
  return ['curl', ...authWords(token), '--upload-file', file, ...words, `${glance}/v2/images/${id}/file`];
}

function authWords(token: string): readonly string[] {
  return ['--silent', '--show-error', '--fail', '--header', `X-Auth-Token: ${token}`];
}
