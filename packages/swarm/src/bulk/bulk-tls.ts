import { constants } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';

/**
 * TLS 1.3 with a key that both sides already share, and ephemeral keys besides (X25519, and ML-KEM where OpenSSL has it): forward secrecy, both sides
 * proven by the handshake itself, no certificates, one round trip. A shared key of this kind is bound to SHA-256, hence the one cipher suite.
 * Without tickets, so that no secret outlives the one that Noise carried.
 */
export const tlsOptions: SecureContextOptions = Object.freeze({
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_128_GCM_SHA256',
  secureOptions: constants.SSL_OP_NO_TICKET,
});

/** How a handshake begins: the type of its record. */
export const TLS_FIRST_BYTE = 0x16;
/** How a plain connection begins, before its ticket. */
export const TICKET_MARK = 0x51;

/** The first byte that the accepting side says, when it knows whose the connection is: that requests may come, */
export const ADMITTED = 1;
/** or that it has too many connections. */
export const FULL = 0;
