import http from 'node:http';
import { connect, type Socket } from 'node:net';
import { createSeededRandom, systemClock, type Clock, type LogFields, type Logger } from '@quarry/runtime';
import {
  createGateway,
  type AuditEntry,
  type Gateway,
  type GatewayObserver,
  type GatewayOptions,
} from '../../src/index.ts';
import { createMemoryImages, type MemoryImages } from './memory-images.ts';

export interface TestGateway {
  readonly gateway: Gateway;
  readonly url: string;
  readonly port: number;
  readonly images: MemoryImages;
  readonly served: AuditEntry[];
  readonly answered: { readonly route: string; readonly status: number }[];
  /** All that was logged, as text. */
  readonly log: string[];
  close(): Promise<void>;
}

export async function startGateway(
  glanceUrl: string,
  { clock = systemClock, ...options }: { readonly clock?: Clock } & Partial<GatewayOptions> = {},
): Promise<TestGateway> {
  const images = createMemoryImages();
  const served: AuditEntry[] = [];
  const answered: { route: string; status: number }[] = [];
  const log: string[] = [];
  const observer: GatewayObserver = {
    answered: (route, status) => void answered.push({ route, status }),
    served: (entry) => void served.push(entry),
    uploaded: () => {},
  };
  const deps = { images, clock, random: createSeededRandom(1), logger: recordingLogger(log), observer };
  const gateway = createGateway(deps, { minImageBytes: 1, ...options, glance: { url: glanceUrl, ...options.glance } });
  const { port } = await gateway.listen({ host: '127.0.0.1', port: 0 });
  return {
    gateway,
    url: `http://127.0.0.1:${port}`,
    port,
    images,
    served,
    answered,
    log,
    close: () => gateway.close({ graceMs: 0 }),
  };
}

function recordingLogger(log: string[]): Logger {
  const write =
    (level: string) =>
    (message: string, fields?: LogFields): void =>
      void log.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const logger: Logger = {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: () => logger,
  };
  return logger;
}

export interface Answer {
  readonly status: number;
  readonly statusMessage: string;
  readonly rawHeaders: readonly string[];
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
  /** Whether the body ended as its headers said that it would. */
  readonly isWhole: boolean;
}

/** One request on a connection of its own, as Nova's client makes it. */
export function ask(
  url: string,
  path: string,
  {
    method = 'GET',
    headers = {},
    body,
  }: {
    readonly method?: string;
    readonly headers?: http.OutgoingHttpHeaders;
    readonly body?: Buffer | string;
  } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request(`${url}${path}`, { method, headers, agent: false }, (answer) => {
      const blocks: Buffer[] = [];
      answer.on('data', (block: Buffer) => blocks.push(block));
      answer.on('error', () => {});
      answer.on('close', () =>
        resolve({
          status: answer.statusCode ?? 0,
          statusMessage: answer.statusMessage ?? '',
          rawHeaders: answer.rawHeaders,
          headers: answer.headers,
          body: Buffer.concat(blocks),
          isWhole: answer.complete,
        }),
      );
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** Everything that comes back for these bytes until the other side closes. */
export function askRaw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(port, '127.0.0.1', () => socket.write(text, 'latin1'));
    let all = '';
    socket.setEncoding('latin1');
    socket.on('data', (piece: string) => {
      all += piece;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(all));
  });
}
