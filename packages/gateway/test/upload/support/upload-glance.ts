import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What this Glance says of an image; its own names. */
export interface UploadRecord {
  id: string;
  status: string;
  visibility: string;
  owner: string | null;
  size: number | null;
  os_hash_algo: string | null;
  os_hash_value: string | null;
  base_image_ref?: string;
  instance_uuid?: string;
}

export interface PutScene {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly record: UploadRecord;
  /** Says `100 Continue` where it was asked for, and reads so much of the body, or all; more may be thrown away. Rejects where it breaks off. */
  read(maxBytes?: number): Promise<Buffer>;
  /** Reads all, keeps it, and answers 204, or does `then` in its place. */
  take(then?: () => void): Promise<void>;
  /** Answers without a look at the body. */
  answer(status: number, headers?: Record<string, string>): void;
  /** Breaks the connection with a reset. */
  reset(): void;
}

export type PutScript = (scene: PutScene) => void | Promise<void>;

/** A Glance whose behaviour towards uploads is what a test says. Everything else is as plain as can be. */
export interface UploadGlance {
  readonly url: string;
  readonly records: Map<string, UploadRecord>;
  readonly data: Map<string, Buffer>;
  /** Method and path, of each request, in order; with the headers it had. */
  readonly requests: { readonly line: string; readonly headers: http.IncomingHttpHeaders }[];
  /** One per upload that is still to come; the last one stays. */
  puts: PutScript[];
  onShow: ((response: ServerResponse) => boolean) | undefined;
  deleteStatus: number;
  add(fields?: Partial<UploadRecord>): UploadRecord;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export const takes: PutScript = (scene) => scene.take();

export async function startUploadGlance(): Promise<UploadGlance> {
  let port = 0;
  const records = new Map<string, UploadRecord>();
  const data = new Map<string, Buffer>();
  const requests: UploadGlance['requests'] = [];
  let server: http.Server;

  const onPut = async (request: IncomingMessage, response: ServerResponse, record: UploadRecord): Promise<void> => {
    const scene: PutScene = {
      request,
      response,
      record,
      async read(maxBytes = Infinity) {
        if (request.headers.expect === '100-continue') response.writeContinue();
        record.status = 'saving';
        const blocks: Buffer[] = [];
        let bytes = 0;
        for await (const block of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
          blocks.push(block);
          bytes += block.length;
          if (bytes >= maxBytes) break;
        }
        return Buffer.concat(blocks);
      },
      async take(then = () => scene.answer(204)) {
        const body = await scene.read().catch((error: unknown) => {
          record.status = 'queued'; // as Glance does when a client leaves
          throw error;
        });
        data.set(record.id, body);
        record.status = 'active';
        record.size = body.length;
        record.os_hash_algo = 'sha512';
        record.os_hash_value = createHash('sha512').update(body).digest('hex');
        then();
      },
      answer(status, headers = {}) {
        const body = status === 204 ? '' : `<html>${status}</html>`;
        response.writeHead(status, {
          ...(body && { 'Content-Type': 'text/html; charset=UTF-8', 'Content-Length': body.length }),
          'X-Openstack-Request-Id': 'req-glance',
          ...headers,
        });
        response.end(body);
      },
      reset() {
        record.status = 'queued';
        request.socket.resetAndDestroy();
      },
    };
    const script = (glance.puts.length > 1 ? glance.puts.shift() : glance.puts[0]) ?? takes;
    await script(scene);
  };

  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const { method = '', url = '' } = request;
    requests.push({ line: `${method} ${url}`, headers: request.headers });
    const record = records.get(url.split('/')[3] ?? '');
    request.on('error', () => {});
    if (method === 'GET' && glance.onShow?.(response)) return;
    if (!record) return void response.writeHead(404, { 'Content-Type': 'text/html' }).end('<html>404</html>');
    if (method === 'GET') {
      return void response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(record));
    }
    if (method === 'DELETE') {
      if (glance.deleteStatus === 204) records.delete(record.id);
      return void response.writeHead(glance.deleteStatus, { 'Content-Type': 'text/html' }).end();
    }
    void onPut(request, response, record).catch(() => {});
  };

  const glance: UploadGlance = {
    get url() {
      return `http://127.0.0.1:${port}`;
    },
    records,
    data,
    requests,
    puts: [],
    onShow: undefined,
    deleteStatus: 204,
    add(fields = {}) {
      const record: UploadRecord = {
        id: randomUUID(),
        status: 'queued',
        visibility: 'private',
        owner: 'project-1',
        size: null,
        os_hash_algo: null,
        os_hash_value: null,
        ...fields,
      };
      records.set(record.id, record);
      return record;
    },
    async start() {
      server = http.createServer({ requestTimeout: 0 });
      server.on('request', onRequest);
      server.on('checkContinue', onRequest);
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
      ({ port } = server.address() as AddressInfo);
    },
    async stop() {
      if (!server.listening) return;
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  await glance.start();
  return glance;
}
