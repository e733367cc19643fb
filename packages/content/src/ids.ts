import { ContentError } from './content-error.ts';

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** BLAKE3-256 of a public pack's descriptor, or the locator of a project's pack (FORMAT.md, "Private packs"). 64 lower-case hex digits. */
export type PackId = Branded<'PackId'>;
/** BLAKE3-256 of a manifest's canonical bytes, 64 lower-case hex digits. */
export type ManifestId = Branded<'ManifestId'>;
/** Who may share chunks with whom: `public`, or `project:<id>`. */
export type Domain = Branded<'Domain'>;
/** What an operator calls an image: a Glance id, or a file's name in a directory. 1 to 255 UTF-8 bytes, no control characters. Not unique for ever: see ImageHash. */
export type ImageRef = Branded<'ImageRef'>;

const HEX_ID = /^[0-9a-f]{64}$/;
const PROJECT_DOMAIN = /^project:[A-Za-z0-9_-]{1,80}$/;

export const publicDomain: Domain = 'public' as Domain;

export function packId(text: string): PackId {
  if (!HEX_ID.test(text))
    throw new ContentError('CONTENT_BAD_NAME', `not a pack id (64 lower-case hex digits): ${quoted(text)}`);
  return text as PackId;
}

export function manifestId(text: string): ManifestId {
  if (!HEX_ID.test(text))
    throw new ContentError('CONTENT_BAD_NAME', `not a manifest id (64 lower-case hex digits): ${quoted(text)}`);
  return text as ManifestId;
}

export function domain(text: string): Domain {
  if (text !== 'public' && !PROJECT_DOMAIN.test(text)) {
    throw new ContentError('CONTENT_BAD_NAME', `not a domain ("public" or "project:<id>"): ${quoted(text)}`);
  }
  return text as Domain;
}

export function imageRef(text: string): ImageRef {
  const bytes = Buffer.byteLength(text);
  if (bytes < 1 || bytes > 255 || hasControlCharacter(text) || !text.isWellFormed()) {
    throw new ContentError(
      'CONTENT_BAD_NAME',
      `not an image reference (1 to 255 bytes of UTF-8, no control characters): ${quoted(text)}`,
    );
  }
  return text as ImageRef;
}

/** The ids' binary form: 32 bytes. */
export function idBytes(id: PackId | ManifestId): Uint8Array {
  return Buffer.from(id, 'hex');
}

export function packIdFrom(bytes: Uint8Array): PackId {
  return packId(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex'));
}

export function manifestIdFrom(bytes: Uint8Array): ManifestId {
  return manifestId(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex'));
}

function hasControlCharacter(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}

/** For messages: what was given, bounded and printable. */
function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
