/** Headers as they came: name, value, name, value, … in order and case, repeated ones repeated. Each character is one byte (latin1). */
export type RawHeaders = readonly string[];

/** Of one connection, not of the message (RFC 9110, 7.6.1). `Transfer-Encoding` too: whoever sends on frames anew. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** A `Connection` header that names these would change what the message is. */
const NEVER_NAMED = new Set(['content-length', 'host']);

/** The message's own headers, without those of the connection that it came by, nor any that `without` (lower case) names. */
export function endToEndHeaders(rawHeaders: RawHeaders, without: readonly string[] = []): string[] {
  const left = new Set([...HOP_BY_HOP, ...without]);
  for (const named of headerList(rawHeaders, 'connection')) if (!NEVER_NAMED.has(named)) left.add(named);
  const kept: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (!left.has(name.toLowerCase())) kept.push(name, rawHeaders[i + 1] as string);
  }
  return kept;
}

/** A header's value; of one that came more than once, the first. */
export function findHeader(rawHeaders: RawHeaders, name: string): string | undefined {
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    if ((rawHeaders[i] as string).toLowerCase() === name) return rawHeaders[i + 1];
  }
  return undefined;
}

/** The members of a comma-separated header, in lower case, over all its lines. */
function headerList(rawHeaders: RawHeaders, name: string): string[] {
  const members: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    if ((rawHeaders[i] as string).toLowerCase() !== name) continue;
    for (const member of (rawHeaders[i + 1] as string).split(',')) members.push(member.trim().toLowerCase());
  }
  return members;
}
