import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Identity } from './keystone-client.ts';
import { serviceEnvironment } from '../../packages/storm/src/glance/real/service-environment.ts';

/** Nova's own image code as a client. Each call runs in a process of its own, so calls run side by side. */
export interface NovaClient {
  /** `[glance] endpoint_override = <endpoint>`, and whose token Nova has. */
  at(endpoint: string, identity: Identity, config?: NovaConfig): NovaImages;
  stop(): Promise<void>;
}

/** Further options of Nova's, by group and name. */
export type NovaConfig = Readonly<Record<string, Readonly<Record<string, string | number | boolean>>>>;

/** What rejects does so with a NovaError. */
export interface NovaImages {
  show(image: string): Promise<Record<string, unknown>>;
  download(image: string, path: string): Promise<void>;
  /** What conductor and compute do to have the image at `path` as raw, and then, unless told otherwise, delete it. */
  unshelve(image: string, path: string, how?: { readonly delete?: boolean }): Promise<void>;
  /** What API and compute do with an instance of the image `base`; resolves with the snapshot's id. */
  shelve(snapshot: Snapshot): Promise<string>;
  delete(image: string): Promise<void>;
}

export interface Snapshot {
  readonly path: string;
  readonly base: string;
  readonly name: string;
  readonly instance: string;
  readonly format: 'raw' | 'qcow2';
  /** A file that will hold the image's id before the data is sent. */
  readonly created?: string;
}

/** What Nova raised: the name of its exception class, and what it says. */
export class NovaError extends Error {
  readonly exception: string;
  constructor(exception: string, message: string) {
    super(`${exception}: ${message}`);
    this.exception = exception;
  }
}

interface Answer {
  readonly ready?: true;
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly class: string; readonly message: string };
}

const script = fileURLToPath(new URL('nova-client.py', import.meta.url));

/** Importing Nova takes two seconds: one for each test file. `dir` is its home directory. */
export async function startNovaClient(dir: string): Promise<NovaClient> {
  const child = spawn('/usr/bin/setpriv', ['--pdeathsig', 'KILL', '/usr/bin/python3', script], {
    env: serviceEnvironment(dir),
    cwd: dir,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const waiting = new Map<number | 'ready', { resolve(answer: Answer): void; reject(error: Error): void }>();
  let lastWords = '';
  child.stderr.on('data', (text: Buffer) => (lastWords = (lastWords + text.toString()).slice(-4000)));
  child.stdin.on('error', () => {}); // it ended, which 'close' says
  const exited = new Promise<void>((resolve) => {
    child.once('close', () => {
      for (const call of waiting.values()) call.reject(new Error(`the Nova client ended: ${lastWords}`));
      resolve();
    });
  });
  const answered = (key: number | 'ready'): Promise<Answer> =>
    new Promise((resolve, reject) => waiting.set(key, { resolve, reject }));
  createInterface({ input: child.stdout }).on('line', (line) => {
    const answer = JSON.parse(line) as Answer;
    const key = answer.id ?? 'ready';
    waiting.get(key)?.resolve(answer);
    waiting.delete(key);
  });
  await answered('ready');
  let lastId = 0;
  return {
    at(endpoint, identity, config = {}) {
      const call = async (what: string, parameters: object): Promise<unknown> => {
        lastId += 1;
        const answer = answered(lastId);
        child.stdin.write(`${JSON.stringify({ id: lastId, do: what, endpoint, identity, config, ...parameters })}\n`);
        const { result, error } = await answer;
        if (error) throw new NovaError(error.class, error.message);
        return result;
      };
      return {
        show: async (image) => (await call('show', { image })) as Record<string, unknown>,
        async download(image, path) {
          await call('download', { image, path });
        },
        async unshelve(image, path, how = {}) {
          await call('unshelve', { image, path, ...how });
        },
        shelve: async (snapshot) => ((await call('shelve', snapshot)) as { image: string }).image,
        async delete(image) {
          await call('delete', { image });
        },
      };
    },
    async stop() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
