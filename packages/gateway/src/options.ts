/** What the gateway does when it is not told otherwise. Times are milliseconds, sizes bytes. */
export const gatewayDefaults: Readonly<
  Record<
    | 'stallMs'
    | 'answerMs'
    | 'switchMs'
    | 'openMs'
    | 'retryMs'
    | 'minImageBytes'
    | 'teeBytes'
    | 'showMs'
    | 'continueMs'
    | 'clientIdleMs'
    | 'uploadAnswerMs'
    | 'drainMs'
    | 'publishMs'
    | 'seedAheadBytes'
    | 'seedGraceMs'
    | 'seedShare'
    | 'spoolRetryMs'
    | 'spoolFirstDelayMs'
    | 'spoolMaxDelayMs'
    | 'maxRecordBytes'
    | 'maxDiscardedBytes'
    | 'maxHeaderBytes'
    | 'maxConnections'
    | 'maxIdleUpstreamConnections'
    | 'idleConnectionMs'
    | 'socketBufferBytes',
    number
  >
> = Object.freeze({
  /** How long Glance may send, or accept, nothing while a body flows; and how long a download may be silent once it has begun. */
  stallMs: 30_000,
  /** How long Glance may take to begin its answer to a request that can be repeated; where only stallMs is given, as long as that. Others wait as long as the client does: storing an image takes its time. */
  answerMs: 30_000,
  /** How long Quarry's own source may be silent in a download that has begun before another is tried; at most a third of stallMs where it is not given, so that the client need not notice. */
  switchMs: 10_000,
  /** How long Quarry may make no progress towards the first bytes of an image before it queues for a read of Glance as well. */
  openMs: 10_000,
  /** Between two tries to open an image while waiting for a read of Glance: somebody may have published it meanwhile. */
  retryMs: 1_000,
  /** Smaller images pass through: the two questions that authorise a read cost Glance more than their data. */
  minImageBytes: 2 ** 20,
  /** What a download may be ahead of the ingest that it feeds; an ingest further behind is given up. */
  teeBytes: 64 * 2 ** 20,
  /** How long Glance may take to say what an image is that is to be filled or deleted, before that goes on without the answer. */
  showMs: 10_000,
  /** How long Glance may keep silent before it is sent an upload's data all the same (RFC 9110, 10.1.1): some servers never say `100 Continue`. */
  continueMs: 1_000,
  /** How long a client may send nothing in the middle of its upload; as long as Glance itself waits (client_socket_timeout). */
  clientIdleMs: 900_000,
  /** How long Glance may take to answer an upload that it has wholly got. Stores that copy or cut it up take minutes. */
  uploadAnswerMs: 1_800_000,
  /** How long a client may send on without looking at its answer when the gateway closes; at other times it may until it is done. */
  drainMs: 20_000,
  /** How long the answer to an upload waits for its chunks to be published: Nova may have the image fetched elsewhere at once. */
  publishMs: 2_000,
  /** What an upload may be ahead of the ingest that it feeds, in memory. */
  seedAheadBytes: 16 * 2 ** 20,
  /** How long an ingest may hold the upload, or the download, that feeds it up in all, besides its share. */
  seedGraceMs: 2_000,
  /** The share of the time of an upload or a download that its ingest may take: it keeps 0.8 of its speed. */
  seedShare: 0.2,
  /** How long a spooled upload is tried again where Glance cannot be reached, breaks off, or answers 503. */
  spoolRetryMs: 600_000,
  /** Upper end of the first pause between two tries; doubles each time. */
  spoolFirstDelayMs: 500,
  /** Its largest. */
  spoolMaxDelayMs: 10_000,
  /** Largest record of an image that is read; Glance's is about 1 KiB. */
  maxRecordBytes: 2 ** 20,
  /** Of an answer that nobody wants, what is read so that its connection can be used again; one that is longer is broken off. */
  maxDiscardedBytes: 64 * 2 ** 10,
  /** Headers of a request or an answer. Keystone's PKI tokens are the largest that are seen: some 10 KiB. */
  maxHeaderBytes: 64 * 2 ** 10,
  /** Connections of clients at once; the next are closed at once, which Nova retries. Nova opens up to 64. */
  maxConnections: 1_024,
  /** Connections to Glance that are kept open while nothing uses them. */
  maxIdleUpstreamConnections: 16,
  /** How long a client's connection is kept open between two requests. */
  idleConnectionMs: 75_000,
  /** What Node reads at a time, and keeps of a client that does not read, per connection. */
  socketBufferBytes: 2 ** 20,
});

/** `gatewayDefaults`, each of them as it is wanted. */
export type GatewayNumbers = typeof gatewayDefaults;
