/**
 * What travels on a request stream, in turns; all numbers are big-endian.
 *
 *   asker → peer   u32 length, request
 *   peer → asker   u8 status, u32 length, answer     0: the answer; 1: the handler failed, 2: it refused, both with length 0
 *
 * then the next request. Either side breaks off by resetting the stream. The stream's protocol name says what is asked.
 */
export const REQUEST_HEAD_BYTES = 4;
export const ANSWER_HEAD_BYTES = 5;
export const MAX_FRAME_BYTES = 0xffff_ffff;

export function requestFrame(request: Uint8Array): Uint8Array {
  const frame = new Uint8Array(REQUEST_HEAD_BYTES + request.byteLength);
  viewOf(frame).setUint32(0, request.byteLength);
  frame.set(request, REQUEST_HEAD_BYTES);
  return frame;
}

export function requestByteLength(head: Uint8Array): number {
  return viewOf(head).getUint32(0);
}

/** How an answer begins: its length, or that there is none. */
export type AnswerHead = { readonly byteLength: number } | 'failed' | 'refused';

export function answerHead(head: AnswerHead): Uint8Array {
  const bytes = new Uint8Array(ANSWER_HEAD_BYTES);
  if (typeof head === 'string') bytes[0] = head === 'failed' ? 1 : 2;
  else viewOf(bytes).setUint32(1, head.byteLength);
  return bytes;
}

/** Undefined for anything that `answerHead` does not make. */
export function parseAnswerHead(bytes: Uint8Array): AnswerHead | undefined {
  const byteLength = viewOf(bytes).getUint32(1);
  if (bytes[0] === 0) return { byteLength };
  if (byteLength !== 0) return undefined;
  return bytes[0] === 1 ? 'failed' : bytes[0] === 2 ? 'refused' : undefined;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
