import { ByteReader } from '@quarry/content';
import { CodedError } from '@quarry/runtime';
import type { PeerId } from '../ports/network.ts';
import { SwarmError } from '../swarm-error.ts';
import { protocolLimits } from './protocol-limits.ts';

/** Of a proof that the asker knows a secret. */
export const PROOF_BYTES = 32;

/**
 * Decodes one message: all of `bytes`, or SWARM_BAD_MESSAGE. Whatever a stranger sends, nothing else leaves here.
 * @throws SwarmError SWARM_BAD_MESSAGE
 */
export function parseMessage<T>(what: string, bytes: Uint8Array, maxBytes: number, read: (r: ByteReader) => T): T {
  if (bytes.length > maxBytes) {
    throw new SwarmError('SWARM_BAD_MESSAGE', `${what} has ${bytes.length} bytes, over the limit of ${maxBytes}`, {
      details: { what, bytes: bytes.length, maxBytes },
    });
  }
  const reader = new ByteReader(bytes, what);
  try {
    const message = read(reader);
    reader.end();
    return message;
  } catch (cause) {
    if (!(cause instanceof CodedError)) throw cause;
    throw new SwarmError('SWARM_BAD_MESSAGE', cause.message, { details: cause.details, cause });
  }
}

/** Text of at most `maxBytes`, without control characters. */
export function readText(reader: ByteReader, name: string, maxBytes: number): string {
  const text = reader.text();
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code === 0x7f) throw reader.malformed(`has a control character in its ${name}`);
  }
  if (Buffer.byteLength(text) > maxBytes) throw reader.malformed(`has a ${name} of over ${maxBytes} bytes`);
  return text;
}

export function readPeerId(reader: ByteReader): PeerId {
  const text = readText(reader, 'peer id', protocolLimits.maxPeerIdBytes);
  if (text === '') throw reader.malformed('has an empty peer id');
  return text as PeerId;
}

/** A list that declares its length; the count is checked before anything is read. */
export function readList<T>(
  reader: ByteReader,
  name: string,
  options: { readonly max: number; readonly itemBytes: number },
  readItem: () => T,
): T[] {
  const count = reader.count(name, options.max, options.itemBytes);
  const items: T[] = [];
  for (let i = 0; i < count; i += 1) items.push(readItem());
  return items;
}
