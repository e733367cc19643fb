import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { Clock } from '@quarry/runtime';
import { GatewayError } from './gateway-error.ts';
import type { UpstreamAnswer } from './upstream.ts';
import { createStallWatch } from './stall-watch.ts';

export interface BodyWatch {
  readonly clock: Clock;
  /** How long Glance may send nothing while the client waits. */
  readonly stallMs: number;
}

/**
 * Sends on a body, as fast as both sides go, and ends the response. Resolves to the bytes sent when all is out. Where the body breaks off, or is silent for
 * too long, the response is left unended: whoever called cuts it.
 * @throws GatewayError GATEWAY_GLANCE_TRUNCATED, GATEWAY_STALLED, or whatever the body was destroyed with
 */
export function relayBody(
  body: Readable,
  response: ServerResponse,
  { clock, stallMs }: BodyWatch,
  onSent?: (bytes: number) => void,
): Promise<number> {
  return new Promise((resolve, reject) => {
    let sentBytes = 0;
    const watch = createStallWatch(clock, stallMs, () => {
      const message = `Glance sent nothing for ${stallMs} ms, after ${sentBytes} bytes`;
      body.destroy(new GatewayError('GATEWAY_STALLED', message, { details: { sentBytes, stallMs } }));
    });
    const finish = (how: () => void): void => {
      watch.close();
      body.off('data', onData);
      response.off('drain', onDrain);
      response.off('close', onClosed);
      how();
    };
    const onDrain = (): void => {
      watch.moved();
      body.resume();
    };
    const onData = (chunk: Buffer): void => {
      sentBytes += chunk.length;
      onSent?.(chunk.length);
      if (response.write(chunk)) return watch.moved();
      body.pause();
      watch.rest(); // the client is the slow one
    };
    const onClosed = (): void => {
      body.destroy();
      finish(() => reject(new GatewayError('GATEWAY_CLIENT_GONE', `the client left after ${sentBytes} bytes`)));
    };
    response.on('drain', onDrain);
    response.on('close', onClosed);
    body.once('end', () =>
      finish(() => {
        endResponse(response, sentBytes).then(() => resolve(sentBytes), reject);
      }),
    );
    body.once('error', (error) => finish(() => reject(truncated(error, sentBytes))));
    body.once('close', () => {
      if (!body.readableEnded) finish(() => reject(truncated(undefined, sentBytes)));
    });
    if (body.destroyed) return finish(() => reject(truncated(body.errored, 0)));
    if (response.destroyed) return onClosed();
    watch.await();
    body.on('data', onData);
  });
}

/** Ends a response; resolves when all of it is out. */
export function endResponse(response: ServerResponse, sentBytes: number): Promise<void> {
  return new Promise((resolve, reject) => {
    response.once('finish', resolve);
    response.once('close', () => {
      reject(new GatewayError('GATEWAY_CLIENT_GONE', `the client left at the end of ${sentBytes} bytes`));
    });
    response.end();
  });
}

/**
 * The whole body of a small answer.
 * @throws GatewayError as relayBody, and GATEWAY_BAD_ANSWER where it is larger than `maxBytes`
 */
export async function readAnswer(
  { body }: UpstreamAnswer,
  maxBytes: number,
  { clock, stallMs }: BodyWatch,
): Promise<Buffer> {
  const blocks: Buffer[] = [];
  let readBytes = 0;
  const watch = createStallWatch(clock, stallMs, () => {
    body.destroy(new GatewayError('GATEWAY_STALLED', `Glance sent nothing for ${stallMs} ms, within its answer`));
  });
  watch.await();
  try {
    for await (const block of body as AsyncIterable<Buffer>) {
      watch.moved();
      readBytes += block.length;
      if (readBytes > maxBytes)
        throw new GatewayError('GATEWAY_BAD_ANSWER', `Glance's answer is larger than ${maxBytes} bytes`);
      blocks.push(block);
    }
  } catch (error) {
    throw truncated(error, readBytes);
  } finally {
    watch.close();
  }
  return Buffer.concat(blocks);
}

/** Throws an answer away; a small one is read to its end, so that the connection can be used again. */
export function discardAnswer(answer: UpstreamAnswer, maxBytes: number, watching: BodyWatch): void {
  const length = answer.header('content-length');
  if (length === undefined || Number(length) > maxBytes) return void answer.body.destroy();
  readAnswer(answer, maxBytes, watching).catch(() => {});
}

function truncated(error: unknown, sentBytes: number): unknown {
  if (error instanceof GatewayError) return error;
  const message = `Glance's answer broke off after ${sentBytes} bytes`;
  return new GatewayError('GATEWAY_GLANCE_TRUNCATED', message, { details: { sentBytes }, cause: error });
}
