import { randomUUID } from 'node:crypto';
import type { Refusal } from './refusal.ts';
import { refusal } from './refusal.ts';

/** What Glance knows of an image, by Glance's own names. */
export interface ImageEntry {
  readonly id: string;
  readonly createdAt: string;
  updatedAt: string;
  status: 'queued' | 'saving' | 'active';
  size: number | null;
  checksum: string | null;
  sha512: string | null;
  /** What callers may set: name, formats, visibility and whatever else. */
  readonly properties: Map<string, unknown>;
}

/** An image that is there from the start. */
export interface RegisteredImage {
  readonly id: string;
  readonly name: string;
  readonly sizeBytes: number;
  /** Hex. */
  readonly sha512: string;
  readonly visibility: 'public' | 'private';
}

export interface ImageTable {
  register(image: RegisteredImage): void;
  find(id: string): ImageEntry | undefined;
  /** Of what was posted: the new entry, or why not. */
  create(posted: unknown): ImageEntry | Refusal;
  patch(entry: ImageEntry, operations: unknown): Refusal | undefined;
  remove(id: string): void;
  /** The answer to a list's query. */
  list(query: URLSearchParams): object;
  show(entry: ImageEntry): Readonly<Record<string, unknown>>;
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const READ_ONLY = new Set(
  'status size virtual_size checksum os_hash_algo os_hash_value created_at updated_at self file schema direct_url locations id'.split(
    ' ',
  ),
);
const PAGE_IMAGES = 25;
const MAX_PAGE_IMAGES = 1000;

/** Images of one project: who may ask at all sees them all. `now` tells the time of day in milliseconds. */
export function createImageTable(
  deps: { readonly now: () => number },
  options: { readonly owner: string },
): ImageTable {
  const entries = new Map<string, ImageEntry>();
  const time = (): string => new Date(deps.now()).toISOString().replace(/\.\d+Z$/, 'Z');
  const add = (id: string, properties: Readonly<Record<string, unknown>>): ImageEntry => {
    const at = time();
    const all = { name: null, visibility: 'shared', owner: options.owner, ...properties };
    const state = { status: 'queued' as const, size: null, checksum: null, sha512: null };
    const entry: ImageEntry = { id, createdAt: at, updatedAt: at, ...state, properties: new Map(Object.entries(all)) };
    entries.set(id, entry);
    return entry;
  };
  const show: ImageTable['show'] = (entry) => ({
    disk_format: null,
    container_format: null,
    protected: false,
    min_ram: 0,
    min_disk: 0,
    os_hidden: false,
    tags: [],
    ...Object.fromEntries(entry.properties),
    id: entry.id,
    status: entry.status,
    size: entry.size,
    virtual_size: entry.size,
    checksum: entry.checksum,
    os_hash_algo: entry.sha512 === null ? null : 'sha512',
    os_hash_value: entry.sha512,
    created_at: entry.createdAt,
    updated_at: entry.updatedAt,
    self: `/v2/images/${entry.id}`,
    file: `/v2/images/${entry.id}/file`,
    schema: '/v2/schemas/image',
  });

  return {
    show,
    find: (id) => entries.get(id),
    remove: (id) => void entries.delete(id),
    register({ id, name, sizeBytes, sha512, visibility }) {
      const entry = add(id, { name, visibility, disk_format: 'raw', container_format: 'bare' });
      // Nobody checks it, everybody repeats it: reading all images again for their MD5 would only cost time
      Object.assign(entry, { status: 'active', size: sizeBytes, checksum: sha512.slice(0, 32), sha512 });
    },
    create(posted) {
      if (typeof posted !== 'object' || posted === null || Array.isArray(posted))
        return refusal(400, 'Expected a JSON object');
      const { id = randomUUID(), ...properties } = posted as Readonly<Record<string, unknown>>;
      if (typeof id !== 'string' || !UUID.test(id)) return refusal(400, `Invalid image id format`);
      const wrong = Object.entries(properties)
        .map(refusedProperty)
        .find((each) => each !== undefined);
      if (wrong) return wrong;
      if (entries.has(id)) return refusal(409, `Image ID ${id} already exists!`);
      return add(id, properties);
    },
    patch(entry, operations) {
      if (!Array.isArray(operations)) return refusal(400, 'Request body must be a JSON array of operation objects.');
      const changed = new Map(entry.properties);
      for (const operation of operations as readonly unknown[]) {
        const wrong = applyOperation(changed, operation);
        if (wrong) return wrong;
      }
      entry.properties.clear();
      for (const [name, value] of changed) entry.properties.set(name, value);
      entry.updatedAt = time();
      return undefined;
    },
    list(query) {
      const { limit: limitText, marker, sort_key: _always, sort_dir, sort, ...filters } = Object.fromEntries(query);
      const limit = Math.min(Number(limitText ?? PAGE_IMAGES), MAX_PAGE_IMAGES);
      const isAscending = sort_dir === 'asc' || (sort ?? '').endsWith(':asc');
      const all = [...entries.values()]; // by the time they were made
      if (!isAscending) all.reverse();
      const shown = all
        .map(show)
        .filter((image) => Object.entries(filters).every(([name, value]) => String(image[name]) === value));
      const from = marker === undefined ? 0 : shown.findIndex(({ id }) => id === marker) + 1;
      const images = shown.slice(from, from + limit);
      const address = (more: Readonly<Record<string, string>>): string => {
        const { marker: _, ...rest } = Object.fromEntries(query);
        const text = new URLSearchParams({ ...rest, ...more }).toString();
        return `/v2/images${text === '' ? '' : `?${text}`}`;
      };
      const last = images.at(-1)?.['id'];
      return {
        images,
        first: address({}),
        ...(images.length === limit && typeof last === 'string' ? { next: address({ marker: last }) } : {}),
        schema: '/v2/schemas/images',
      };
    },
  };
}

function refusedProperty([name, value]: readonly [string, unknown]): Refusal | undefined {
  if (READ_ONLY.has(name)) return refusal(403, `Attribute '${name}' is read-only.`);
  if (name.startsWith('os_glance')) return refusal(403, `Attribute '${name}' is reserved.`);
  if (name === 'visibility' && !['public', 'private', 'shared', 'community'].includes(String(value)))
    return refusal(400, `Invalid visibility value: ${String(value)}`);
  return undefined;
}

function applyOperation(properties: Map<string, unknown>, operation: unknown): Refusal | undefined {
  const { op, path, value } = Object(operation) as Readonly<Record<string, unknown>>;
  const name = typeof path === 'string' ? /^\/([^/]+)$/.exec(path)?.[1] : undefined;
  if (name === undefined) return refusal(400, `Invalid JSON pointer for this resource: '${String(path)}'`);
  const wrong = refusedProperty([name, value]);
  if (wrong) return wrong;
  switch (op) {
    case 'add':
      properties.set(name, value);
      return undefined;
    case 'replace':
      properties.set(name, value);
      return undefined;
    case 'remove':
      if (!properties.delete(name)) return refusal(409, `Property ${name} does not exist.`);
      return undefined;
    default:
      return refusal(400, `Operation objects must contain an op of add, replace or remove, not ${String(op)}`);
  }
}
