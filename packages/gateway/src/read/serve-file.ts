import { errorCode } from '@quarry/runtime';
import { hasBody, type Exchange, type Handler, type HandlerDeps } from '../exchange.ts';
import { askGlance, relayAnswer, writeHead, writeHeadOf } from '../forward.ts';
import { endToEndHeaders } from '../headers.ts';
import type { OriginRead } from '../ports/image-service.ts';
import type { Served } from '../ports/observer.ts';
import { discardAnswer } from '../relay-body.ts';
import { showImage, type ShownImage } from '../shown-image.ts';
import type { UpstreamAnswer } from '../upstream.ts';
import { glanceSource, sumBySource, type ByteSource } from './byte-source.ts';
import { isEncoded } from './continue-from-glance.ts';
import { decideByProbe, decideRead, probeRange, servedHead, type ReadRequest, type ReadStep } from './decide-read.ts';
import { checkBlock, downloadBytes, nextBlock, type Download } from './download-bytes.ts';
import { findSource } from './find-source.ts';
import { seedDownload, type SeededDownload } from './seed-download.ts';
import { writeBody } from './write-body.ts';

type AllowedRead = Extract<ReadStep, { readonly kind: 'probe' }>;

/** What the audit will say of one read, as far as it is known. */
interface Tally {
  domain: string;
  served: Served;
  sentBytes: number;
  firstByteAtMs: number | undefined;
  reason: string | undefined;
  readonly sources: ByteSource[];
}

/**
 * `GET /v2/images/{id}/file`. Glance is asked what the image is, and whether this caller may have its data, each time; then the bytes come from Quarry, or
 * from Glance under the cluster's budget. What is odd about a request, or about the image, makes it Glance's alone.
 */
export function createServeFile(deps: HandlerDeps): Handler {
  return async (exchange) => {
    const tally: Tally = {
      domain: 'unknown',
      served: 'passed',
      sentBytes: 0,
      firstByteAtMs: undefined,
      reason: undefined,
      sources: [],
    };
    let seeded: SeededDownload | undefined;
    try {
      const asked = await askWhetherAllowed(deps, exchange, tally);
      if (asked === 'answered') return;
      seeded = await serveAllowed(deps, exchange, asked, tally);
    } catch (error) {
      tally.reason = errorCode(error) ?? 'unknown';
      tally.served = 'cut';
      throw error;
    } finally {
      tell(deps, exchange, tally);
    }
    await seeded?.ended;
  };
}

/** Asks Glance; answers with what it says, unless that is yes. */
async function askWhetherAllowed(
  deps: HandlerDeps,
  exchange: Exchange,
  tally: Tally,
): Promise<{ readonly read: AllowedRead; readonly requestId: string | undefined } | 'answered'> {
  const { request, response, signal } = exchange;
  const pass = async (reason: string): Promise<'answered'> => {
    tally.reason = reason;
    await passOn(deps, exchange, tally);
    return 'answered';
  };
  const shown = await show(deps, exchange);
  if (shown === undefined) return await pass('odd-record');
  tally.domain = shown.record?.domain ?? 'unknown';
  const step = decideRead(readRequest(exchange), shown, deps.numbers.minImageBytes);
  if (step.kind === 'pass') return await pass(step.reason);

  const probe = await deps.upstream.request({
    method: 'GET',
    path: request.url ?? '/',
    rawHeaders: [...endToEndHeaders(request.rawHeaders, ['content-length', 'range']), 'Range', probeRange(step.image)],
    signal,
  });
  const verdict = decideByProbe(probe.status);
  if (verdict.kind === 'refused') {
    await relayAnswer(deps, { response }, probe);
    return 'answered';
  }
  discardAnswer(probe, deps.numbers.maxDiscardedBytes, { clock: deps.clock, stallMs: deps.numbers.stallMs });
  if (verdict.kind === 'pass') return await pass(verdict.reason);
  return { read: step, requestId: probe.header('x-openstack-request-id') };
}

/** Undefined where what Glance shows is no record. */
async function show(deps: HandlerDeps, { route, request, signal }: Exchange): Promise<ShownImage | undefined> {
  if (route.image === undefined) return undefined;
  const path = `/v2/images/${route.image}`;
  try {
    return await showImage(deps, { ref: route.image, path, rawHeaders: request.rawHeaders }, { signal });
  } catch (error) {
    signal.throwIfAborted();
    if (errorCode(error) !== 'GATEWAY_BAD_ANSWER') throw error;
    return undefined;
  }
}

function readRequest({ request }: Exchange): ReadRequest {
  return {
    range: request.headers.range,
    hasContentRange: request.headers['content-range'] !== undefined,
    hasBody: hasBody(request),
  };
}

/** Sends what Quarry has, or what Glance has when it is our turn there. Nothing was sent before. */
async function serveAllowed(
  deps: HandlerDeps,
  exchange: Exchange,
  { read, requestId }: { readonly read: AllowedRead; readonly requestId: string | undefined },
  tally: Tally,
): Promise<SeededDownload | undefined> {
  const { clock, numbers } = deps;
  const { request, response, caller, signal } = exchange;
  const { offset, length } = read.range;
  const download: Download = {
    image: read.image,
    caller,
    offset,
    length,
    path: request.url ?? '/',
    rawHeaders: request.rawHeaders,
    signal,
    sources: tally.sources,
    onTrouble: (reason) => {
      tally.reason ??= reason;
    },
  };
  const onSent = (bytes: number): void => countSent(deps, tally, bytes);
  let patience = { headStartMs: numbers.openMs, openAfterMs: 0 };
  for (;;) {
    const found = await findSource(deps, download, { ...patience, signal, onRefusal: download.onTrouble });
    if (found.kind === 'glance') return await passUnderBudget(deps, exchange, { read, download, tally }, found.read);
    try {
      // Before the status line: what is wrong with the first bytes can still be helped.
      const first = await nextBlock(found.source, clock, numbers.switchMs, signal);
      checkBlock(first, 'quarry', { at: 0, length });
      tally.served = 'quarry';
      tally.sources.push(found.source);
      const { status, message, headers } = servedHead(read, { requestId, date: new Date(clock.wallMs()) });
      writeHead(response, status, message, headers);
      const onDone = (block: Uint8Array): void => {
        for (const source of tally.sources) source.recycle?.(block);
      };
      await writeBody(response, downloadBytes(deps, download, first.value), onSent, onDone);
      return undefined;
    } catch (error) {
      if (response.headersSent || signal.aborted) throw error;
      found.source.end(error);
      download.onTrouble(errorCode(error) ?? 'unknown');
      patience = { headStartMs: 0, openAfterMs: numbers.retryMs };
    }
  }
}

/** Glance's own answer to the client's own request; its bytes are paced by the budget, and seeded. */
async function passUnderBudget(
  deps: HandlerDeps,
  exchange: Exchange,
  { read, download, tally }: { readonly read: AllowedRead; readonly download: Download; readonly tally: Tally },
  budget: OriginRead | undefined,
): Promise<SeededDownload | undefined> {
  const { response, signal } = exchange;
  let source: ByteSource | undefined;
  try {
    const answer = await askGlance(deps, exchange);
    if (!isExpected(answer, read)) {
      await relayCounted(deps, exchange, answer, tally);
      return undefined;
    }
    source = glanceSource(answer, { read: budget, skipBytes: 0, signal });
    tally.sources.push(source);
    writeHeadOf(response, answer);
    const bytes = downloadBytes(deps, download, undefined);
    const seeded = read.range.isWhole ? seedDownload(deps, read.image, bytes, signal) : undefined;
    await writeBody(response, seeded?.bytes ?? bytes, (count) => countSent(deps, tally, count));
    return seeded;
  } finally {
    if (source) source.end(new Error('the download is over'));
    else budget?.release();
  }
}

/** Whether an answer is what Glance said before that it would be: only then can somebody else go on with it. */
function isExpected(answer: UpstreamAnswer, { checksum, range }: AllowedRead): boolean {
  const md5 = answer.header('content-md5');
  return (
    answer.status === (range.isWhole ? 200 : 206) &&
    !isEncoded(answer) &&
    Number(answer.header('content-length')) === range.length &&
    (md5 === undefined || checksum === undefined || md5.toLowerCase() === checksum)
  );
}

/** Glance answers the request as it is. */
async function passOn(deps: HandlerDeps, exchange: Exchange, tally: Tally): Promise<void> {
  await relayCounted(deps, exchange, await askGlance(deps, exchange), tally);
}

async function relayCounted(
  deps: HandlerDeps,
  exchange: Exchange,
  answer: UpstreamAnswer,
  tally: Tally,
): Promise<void> {
  await relayAnswer(deps, exchange, answer, (bytes) => countSent(deps, tally, bytes));
}

function countSent({ clock }: HandlerDeps, tally: Tally, bytes: number): void {
  tally.firstByteAtMs ??= clock.now();
  tally.sentBytes += bytes;
}

/** Only of reads that Glance allowed: a refusal is in Glance's own log. */
function tell({ clock, observer }: HandlerDeps, exchange: Exchange, tally: Tally): void {
  const { request, response, caller, client, route, startedAtMs } = exchange;
  if (!response.headersSent || (response.statusCode !== 200 && response.statusCode !== 206)) return;
  const bytesBySource = sumBySource(tally.sources);
  const isPlain = tally.sources.length === 0;
  observer.served({
    requestId: caller.headers['x-openstack-request-id'],
    client,
    userAgent: caller.headers['user-agent'],
    image: route.image ?? 'unknown',
    domain: tally.domain,
    method: request.method ?? 'GET',
    status: response.statusCode,
    served: tally.served,
    sentBytes: tally.sentBytes,
    bytesBySource: isPlain ? { ...bytesBySource, origin: tally.sentBytes } : bytesBySource,
    firstByteMs: tally.firstByteAtMs === undefined ? undefined : tally.firstByteAtMs - startedAtMs,
    durationMs: clock.now() - startedAtMs,
    reason: tally.reason,
  });
}
