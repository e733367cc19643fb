import { hkdfSync } from 'node:crypto';
import type { Random } from '@quarry/runtime';
import { SwarmError } from '../swarm-error.ts';
import { createSecretFile, readSecretFile } from './secret-file.ts';

/**
 * What all nodes of one cluster hold and nobody else: without it no connection comes about (cluster-noise.ts says how).
 * Only what is derived from it is kept in memory, and none of that prints the key.
 */
export interface ClusterKey {
  /** Mixed into every handshake. 32 bytes, secret. */
  readonly handshakeSecret: Uint8Array;
  /** Eight hex digits by which operators and mDNS tell clusters apart. Says nothing about the key. */
  readonly fingerprint: string;
}

const PREFIX = 'quarry-cluster-key-v1:';
/** The handshake lets anybody test guesses against a recorded answer, so the key must be beyond guessing: never a password. */
const MIN_KEY_BYTES = 32;
const MAX_KEY_BYTES = 128;
/** 32 random bytes have fewer different values than this once in 10^15; "AAAA…" and words repeated always do. */
const MIN_DISTINCT_BYTES = 16;
const WHAT = 'the cluster key';
// Readable by a group: that is how secrets are handed to services.
const RULES = { what: WHAT, forbiddenMode: 0o027, remedy: 'chmod 640 or less' };

/** A new key in its text form, `quarry-cluster-key-v1:<base64url of 32 bytes>`. `random` must be the system's for anything but tests. */
export function generateClusterKey(random: Random): string {
  return `${PREFIX}${Buffer.from(random.bytes(MIN_KEY_BYTES)).toString('base64url')}`;
}

/** Rejects with SWARM_BAD_IDENTITY; the message never quotes the text. `source` says where it came from. */
export function parseClusterKey(text: string, source: string = 'the cluster key given'): ClusterKey {
  const line = text.trim();
  const bad = (found: string): SwarmError =>
    new SwarmError(
      'SWARM_BAD_IDENTITY',
      `${source} ${found}: a cluster key is one line, ${PREFIX}<43 letters>, the same on every node; \`quarry key\` makes one`,
    );
  if (!line.startsWith(PREFIX)) throw bad(`does not begin with ${PREFIX}`);
  const encoded = line.slice(PREFIX.length);
  if (!/^[A-Za-z0-9_-]+$/.test(encoded)) throw bad('has characters that base64url has not');
  const key = Buffer.from(encoded, 'base64url');
  // A letter lost in copying leaves bits over, which decoders drop without a word.
  if (key.toString('base64url') !== encoded) throw bad('is cut off');
  if (key.byteLength < MIN_KEY_BYTES) throw bad(`has ${key.byteLength} bytes, fewer than ${MIN_KEY_BYTES}`);
  if (key.byteLength > MAX_KEY_BYTES) throw bad(`has ${key.byteLength} bytes, more than ${MAX_KEY_BYTES}`);
  if (new Set(key).size < MIN_DISTINCT_BYTES) throw bad('is not random');
  return {
    handshakeSecret: derive(key, 'quarry v1 handshake', 32),
    fingerprint: Buffer.from(derive(key, 'quarry v1 fingerprint', 4)).toString('hex'),
  };
}

export async function loadClusterKey(path: string): Promise<ClusterKey> {
  const bytes = await readSecretFile(path, RULES);
  if (bytes === undefined) {
    throw new SwarmError(
      'SWARM_BAD_IDENTITY',
      `there is no cluster key at ${path}: copy the one that the other nodes have, or make the first with \`quarry key\``,
      {
        details: { path },
      },
    );
  }
  return parseClusterKey(Buffer.from(bytes).toString('utf8'), path);
}

/** Writes a key that `generateClusterKey` made, mode 0600. A file that is there already is never replaced. */
export async function saveClusterKey(path: string, text: string): Promise<void> {
  parseClusterKey(text);
  if (await createSecretFile(path, Buffer.from(`${text.trim()}\n`), WHAT)) return;
  throw new SwarmError(
    'SWARM_BAD_IDENTITY',
    `${path} exists: a cluster key is not overwritten, every node would have to change`,
    {
      details: { path },
    },
  );
}

function derive(key: Uint8Array, purpose: string, byteLength: number): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', key, new Uint8Array(0), purpose, byteLength));
}
