/** One request and what was answered, as the bytes on the wire say. */
export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly request: Message;
  /** Absent where the connection ended before an answer. Interim answers (100) come before the last one. */
  readonly answers: readonly Message[];
}

export interface Message {
  /** `GET /v2/images HTTP/1.1` or `HTTP/1.1 200 OK`. */
  readonly startLine: string;
  /** In the order and in the letters in which they were sent. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
  /** False where the connection ended, or was forgotten, before all of the body was there. */
  readonly isWhole: boolean;
}

/** What one connection carried, each direction whole. */
export interface Conversation {
  readonly fromClient: Buffer;
  readonly fromServer: Buffer;
  readonly isOver: boolean;
}

/** An exchange and where its request begins in what came from the client. */
export interface PlacedExchange {
  readonly exchange: Exchange;
  readonly offset: number;
}

export function parseExchanges({ fromClient, fromServer, isOver }: Conversation): PlacedExchange[] {
  const client = createReader(fromClient, isOver);
  const server = createReader(fromServer, isOver);
  const exchanges: PlacedExchange[] = [];
  for (;;) {
    const offset = client.offset();
    const request = client.message(() => 'none');
    if (request === undefined) return exchanges;
    const [method = '', path = ''] = request.startLine.split(' ');
    const answers: Message[] = [];
    for (;;) {
      const answer = server.message((startLine) => bodyOfAnswer(method, statusOf(startLine)));
      if (answer === undefined) break;
      answers.push(answer);
      if (statusOf(answer.startLine) >= 200) break;
    }
    exchanges.push({ exchange: { method, path, request, answers }, offset });
  }
}

export function statusOf(startLine: string): number {
  return Number(startLine.split(' ')[1]);
}

export function headerOf(message: Message, name: string): string | undefined {
  return message.headers.find(([each]) => each.toLowerCase() === name)?.[1];
}

/** What a message without a length has: RFC 9112, section 6.3. */
type Unframed = 'none' | 'until-close' | 'never';

function bodyOfAnswer(method: string, status: number): Unframed {
  return method === 'HEAD' || status < 200 || status === 204 || status === 304 ? 'never' : 'until-close';
}

interface Reader {
  offset(): number;
  message(unframed: (startLine: string) => Unframed): Message | undefined;
}

function createReader(bytes: Buffer, isOver: boolean): Reader {
  let at = 0;
  const line = (): string | undefined => {
    const end = bytes.indexOf('\r\n', at);
    if (end < 0) return undefined;
    const text = bytes.toString('latin1', at, end);
    at = end + 2;
    return text;
  };
  const take = (length: number): Buffer => {
    const taken = bytes.subarray(at, at + length);
    at += taken.length;
    return taken;
  };
  const chunks = (): { body: Buffer; isWhole: boolean } => {
    const parts: Buffer[] = [];
    for (;;) {
      const size = line();
      const length = size === undefined ? Number.NaN : Number.parseInt(size, 16);
      if (length === 0) {
        while (line() !== '' && at < bytes.length); // trailers
        return { body: Buffer.concat(parts), isWhole: true };
      }
      const part = Number.isNaN(length) ? Buffer.alloc(0) : take(length);
      parts.push(part);
      if (part.length < length || Number.isNaN(length)) return { body: Buffer.concat(parts), isWhole: false };
      line();
    }
  };
  return {
    offset: () => at,
    message(unframed) {
      if (bytes.indexOf('\r\n\r\n', at) < 0) return undefined;
      const startLine = line() ?? '';
      const headers: [string, string][] = [];
      for (let text = line(); text !== undefined && text !== ''; text = line()) {
        const colon = text.indexOf(':');
        headers.push([text.slice(0, colon), text.slice(colon + 1).trim()]);
      }
      const header = (name: string): string | undefined => headers.find(([each]) => each.toLowerCase() === name)?.[1];
      const kind = unframed(startLine);
      const length = header('content-length');
      if (kind === 'never') return { startLine, headers, body: Buffer.alloc(0), isWhole: true };
      if (header('transfer-encoding')?.toLowerCase() === 'chunked') return { startLine, headers, ...chunks() };
      if (length !== undefined) {
        const body = take(Number(length));
        return { startLine, headers, body, isWhole: body.length === Number(length) };
      }
      if (kind === 'none') return { startLine, headers, body: Buffer.alloc(0), isWhole: true };
      return { startLine, headers, body: take(bytes.length), isWhole: isOver };
    },
  };
}
