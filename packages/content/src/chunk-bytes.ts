/** What is done to the bytes of chunks and needs no noun: a thread that does nothing else has it loaded in a few milliseconds. */
export { digestOf } from './digest.ts';
export { isZero } from './zero.ts';
