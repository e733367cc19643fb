import type { ServerResponse } from 'node:http';
import { GatewayError } from '../gateway-error.ts';
import { endResponse } from '../relay-body.ts';

/**
 * Sends a body as fast as the client takes it, and ends the response when all is out. `onSent` hears of each block as it is handed over, `onDone` when the system
 * has taken it and it may be changed.
 */
export async function writeBody(
  response: ServerResponse,
  bytes: AsyncIterable<Uint8Array>,
  onSent: (bytes: number) => void,
  onDone?: (block: Uint8Array) => void,
): Promise<void> {
  let sentBytes = 0;
  for await (const block of bytes) {
    if (response.destroyed) throw left(sentBytes);
    sentBytes += block.length;
    onSent(block.length);
    const whenOut = onDone && ((error?: Error | null) => error ?? onDone(block));
    if (!response.write(block, whenOut)) await drained(response, sentBytes);
  }
  await endResponse(response, sentBytes);
}

function drained(response: ServerResponse, sentBytes: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      response.off('drain', onDrain);
      response.off('close', onClose);
    };
    const onDrain = (): void => {
      settle();
      resolve();
    };
    const onClose = (): void => {
      settle();
      reject(left(sentBytes));
    };
    response.on('drain', onDrain);
    response.on('close', onClose);
    if (response.destroyed) onClose();
  });
}

function left(sentBytes: number): GatewayError {
  return new GatewayError('GATEWAY_CLIENT_GONE', `the client left after ${sentBytes} bytes`);
}
