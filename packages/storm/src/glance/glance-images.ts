/** What the embedded Glance knows of an image: the part of Glance's record that anybody here looks at. */
export interface GlanceImage {
  readonly id: string;
  readonly visibility: 'public' | 'private';
  readonly createdAt: string;
  /** As clients gave them: all else that stands in the record. */
  properties: Readonly<Record<string, unknown>>;
  status: 'queued' | 'saving' | 'active';
  /** Null before there is data. */
  content: GlanceContent | null;
}

export interface GlanceContent {
  readonly sizeBytes: number;
  /** Hex. */
  readonly md5: string;
  readonly sha512: string;
}

/** What the process is given: images that it has from the start, whose bytes lie in the store directory under their ids. */
export interface GlanceOrder {
  readonly host: string;
  readonly port: number;
  readonly token: string;
  readonly owner: string;
  readonly storeDirectory: string;
  /** What a ranged read waits before its first byte. */
  readonly readDelayMs: number;
  readonly images: readonly (GlanceContent & {
    readonly id: string;
    readonly name: string;
    readonly visibility: 'public' | 'private';
  })[];
}

const READ_ONLY = new Set([
  'id',
  'status',
  'size',
  'checksum',
  'os_hash_algo',
  'os_hash_value',
  'owner',
  'self',
  'file',
]);

/** The record as Glance v2 shows it: one flat object, null where there is nothing yet. */
export function recordOf(image: GlanceImage, owner: string): Readonly<Record<string, unknown>> {
  const { id, status, content, visibility, createdAt } = image;
  return {
    name: null,
    disk_format: null,
    container_format: null,
    protected: false,
    min_ram: 0,
    min_disk: 0,
    os_hidden: false,
    tags: [],
    ...image.properties,
    id,
    status,
    visibility,
    owner,
    size: content?.sizeBytes ?? null,
    virtual_size: content?.sizeBytes ?? null,
    checksum: content?.md5 ?? null,
    os_hash_algo: content ? 'sha512' : null,
    os_hash_value: content?.sha512 ?? null,
    created_at: createdAt,
    updated_at: createdAt,
    self: `/v2/images/${id}`,
    file: `/v2/images/${id}/file`,
    schema: '/v2/schemas/image',
  };
}

/** Properties with a JSON patch applied (RFC 6902; `add`, `replace`, `remove` at the top level, as Glance's clients send). Undefined: one that Glance refuses. */
export function patched(
  properties: Readonly<Record<string, unknown>>,
  patch: unknown,
): Readonly<Record<string, unknown>> | undefined {
  if (!Array.isArray(patch)) return undefined;
  const result = new Map(Object.entries(properties));
  for (const step of patch as readonly unknown[]) {
    if (typeof step !== 'object' || step === null) return undefined;
    const { op, path, value } = step as { op?: unknown; path?: unknown; value?: unknown };
    const name = typeof path === 'string' && /^\/[^/]+$/.test(path) ? path.slice(1) : undefined;
    if (name === undefined || READ_ONLY.has(name)) return undefined;
    if (op === 'add' || op === 'replace') result.set(name, value);
    else if (op !== 'remove' || !result.delete(name)) return undefined;
  }
  return Object.fromEntries(result);
}

export type ByteRange = { readonly first: number; readonly last: number } | 'whole' | 'bad' | 'many';

/** What a Range header asks of an image of this size, as Glance reads it: one range of bytes, clamped. */
export function rangeOf(header: string | undefined, sizeBytes: number): ByteRange {
  if (header === undefined) return 'whole';
  if (header.includes(',')) return 'many';
  const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/.exec(header) ?? [];
  if (from === '' && to === '') return 'bad';
  const first = from === '' ? Math.max(0, sizeBytes - Number(to)) : Number(from);
  const last = from === '' || to === '' ? sizeBytes - 1 : Math.min(Number(to), sizeBytes - 1);
  return first > last || first >= sizeBytes ? 'bad' : { first, last };
}
