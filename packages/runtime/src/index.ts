/**
 * runtime: what every part needs and no part owns — time, chance, coded errors, cancelling, lifecycles, retries, rates, units.
 * No word of the domain: nothing here knows what an image or a peer is.
 */
export { createBufferBank } from './buffer-bank.ts';
export type { BufferBank, BufferBankOptions, BufferBankView } from './buffer-bank.ts';
export { createBufferPool } from './buffer-pool.ts';
export type { BufferPool } from './buffer-pool.ts';
export { CodedError, errorCode, isCodedError } from './coded-error.ts';
export type { CodedErrorOptions } from './coded-error.ts';
export { systemClock, systemClockEpochMs } from './clock.ts';
export type { Clock, Waiting } from './clock.ts';
export { createVirtualClock } from './virtual-clock.ts';
export type { VirtualClock } from './virtual-clock.ts';
export { createSeededRandom, shuffled, systemRandom } from './random.ts';
export type { Random } from './random.ts';
export { silentLogger } from './logger.ts';
export type { Logger, LogFields } from './logger.ts';
export { createLifecycle } from './lifecycle.ts';
export type { Lifecycle } from './lifecycle.ts';
export { createRateLimit } from './rate-limit.ts';
export type { RateLimit } from './rate-limit.ts';
export { retry } from './retry.ts';
export type { RetryOptions } from './retry.ts';
export { createSingleFlight } from './single-flight.ts';
export type { SingleFlight } from './single-flight.ts';
export { createSemaphore } from './semaphore.ts';
export type { Semaphore } from './semaphore.ts';
export { createThreadPool } from './thread-pool.ts';
export type { RunOptions, ThreadPool, ThreadPoolOptions } from './thread-pool.ts';
export { createTokenBucket } from './token-bucket.ts';
export type { TokenBucket } from './token-bucket.ts';
export { formatBytes, formatDuration, formatRate, parseBytes, parseDuration, parseRate } from './units.ts';
