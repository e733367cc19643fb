import { Agent, request, type IncomingHttpHeaders } from 'node:http';

/** HTTP as it is typed: nothing is retried, followed, unpacked or refused. */
export interface HttpCaller {
  call(method: string, path: string, what?: HttpRequest): Promise<HttpAnswer>;
  close(): void;
}

export interface HttpRequest {
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent with its length; an array is sent in chunks without one. */
  readonly body?: string | Buffer | readonly Buffer[];
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Calls without a body go over one connection, as long as the server keeps it. */
export function createHttpCaller(url: string): HttpCaller {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return {
    async call(method, path, { headers = {}, body } = {}) {
      // A body that Glance did not read makes it close the connection behind its answer, now before and now after the next request.
      const own = body === undefined ? undefined : new Agent({ keepAlive: true, maxSockets: 1 });
      const answer = await new Promise<HttpAnswer>((resolve, reject) => {
        const { hostname, port } = new URL(url);
        const outgoing = request({ agent: own ?? agent, hostname, port, method, path, headers }, (answer) => {
          const parts: Buffer[] = [];
          answer.on('data', (part: Buffer) => parts.push(part));
          answer.on('error', reject);
          answer.on('end', () => {
            resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(parts) });
          });
        });
        outgoing.on('error', reject);
        const send = (): void => {
          if (Array.isArray(body)) {
            for (const part of body as readonly Buffer[]) outgoing.write(part);
            outgoing.end();
          } else outgoing.end(body);
        };
        if (headers.expect === undefined) return send();
        outgoing.on('continue', send);
        return outgoing.flushHeaders();
      });
      own?.destroy();
      return answer;
    },
    close: () => agent.destroy(),
  };
}
