import { generateKeyPairFromSeed, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys';
import type { Ed25519PrivateKey } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import type { Signer } from '@quarry/content';
import type { Random } from '@quarry/runtime';
import type { PeerId } from '../ports/network.ts';
import { SwarmError } from '../swarm-error.ts';
import { peerIdOf } from './peer-identity.ts';
import { createSecretFile, readSecretFile } from './secret-file.ts';

/** Who a node is: its Ed25519 key. Others know it by `peerId`, which is made of the public half, and check its signatures with that. */
export interface Identity extends Signer {
  readonly peerId: PeerId;
  readonly privateKey: Ed25519PrivateKey;
}

const SEED_BYTES = 32;
const WHAT = "this node's identity";
const RULES = { what: WHAT, forbiddenMode: 0o077, remedy: 'chmod 600 it, and replace it if somebody may have read it' };

/** A new one, in memory only. `random` must be the system's for anything but tests. */
export async function createIdentity(random: Random): Promise<Identity> {
  return identityOf(await generateKeyPairFromSeed('Ed25519', random.bytes(SEED_BYTES)));
}

/**
 * The identity kept in the file, made there (mode 0600) if there is none: of two processes that start at once, one makes it and both get the
 * same. The file holds the private key in libp2p's protobuf encoding. Rejects with SWARM_BAD_IDENTITY, naming the path and what to do.
 */
export async function loadIdentity(path: string, random: Random): Promise<Identity> {
  const kept = await readSecretFile(path, RULES);
  if (kept !== undefined) return decodeIdentity(path, kept);
  const made = await createIdentity(random);
  if (await createSecretFile(path, privateKeyToProtobuf(made.privateKey), WHAT)) return made;
  const first = await readSecretFile(path, RULES);
  if (first === undefined) throw badIdentity(path, 'it was removed while it was read', undefined);
  return decodeIdentity(path, first);
}

async function decodeIdentity(path: string, bytes: Uint8Array): Promise<Identity> {
  let privateKey: ReturnType<typeof privateKeyFromProtobuf>;
  try {
    privateKey = privateKeyFromProtobuf(bytes);
  } catch (cause) {
    throw badIdentity(path, `${bytes.byteLength} bytes that are not a private key`, cause);
  }
  if (privateKey.type !== 'Ed25519')
    throw badIdentity(path, `a key of type ${privateKey.type}, not Ed25519`, undefined);
  // The file has both halves of the key: damage to one of them would show only when others refuse our signatures.
  const probe = new TextEncoder().encode('quarry identity check');
  if (!(await privateKey.publicKey.verify(probe, await privateKey.sign(probe)))) {
    throw badIdentity(path, 'a key whose halves do not fit each other', undefined);
  }
  return identityOf(privateKey);
}

function identityOf(privateKey: Ed25519PrivateKey): Identity {
  return {
    peerId: peerIdOf(peerIdFromPrivateKey(privateKey)),
    privateKey,
    publicKey: privateKey.publicKey.raw,
    sign: async (bytes) => await privateKey.sign(bytes),
  };
}

function badIdentity(path: string, found: string, cause: unknown): SwarmError {
  return new SwarmError(
    'SWARM_BAD_IDENTITY',
    `${path} does not hold ${WHAT} but ${found}: restore it from a backup, or delete it to become a new node`,
    { details: { path }, cause },
  );
}
