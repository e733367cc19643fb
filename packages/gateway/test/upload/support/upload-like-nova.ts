import { connect } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface NovaUpload {
  readonly url: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/**
 * Sends a file as glanceclient does: chunked, without `Expect`, and without a look at what comes back until all is sent. Rejects where the connection
 * breaks before: there Nova would send again.
 */
export async function uploadLikeNova({ url, path, headers = {}, bytes }: NovaUpload): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  const ended = new Promise<Buffer>((resolve, reject) => {
    const blocks: Buffer[] = [];
    socket.on('data', (block: Buffer) => {
      blocks.push(block);
      if (isWhole(Buffer.concat(blocks))) resolve(Buffer.concat(blocks));
    });
    socket.on('end', () => reject(new Error(`closed after ${Buffer.concat(blocks).toString()}`)));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('closed')));
  });
  ended.catch(() => {});
  let wake = (): void => {};
  for (const event of ['drain', 'close']) socket.on(event, () => wake());
  try {
    const all = {
      Host: 'glance',
      'Content-Type': 'application/octet-stream',
      'Transfer-Encoding': 'chunked',
      ...headers,
    };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`PUT ${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
    for await (const block of bytes) {
      socket.write(`${block.length.toString(16)}\r\n`);
      socket.write(block);
      if (!socket.write('\r\n')) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      if (socket.destroyed) break; // `ended` says why
    }
    socket.write('0\r\n\r\n');
    return parse(await ended);
  } finally {
    socket.destroy();
  }
}

function isWhole(text: Buffer): boolean {
  const head = text.indexOf('\r\n\r\n');
  if (head < 0) return false;
  const length = /content-length: (\d+)/i.exec(text.subarray(0, head).toString())?.[1];
  return text.length - head - 4 >= Number(length ?? 0);
}

function parse(text: Buffer): RawAnswer {
  const [head = '', ...body] = text.toString('latin1').split('\r\n\r\n');
  const [line = '', ...lines] = head.split('\r\n');
  const headers = Object.fromEntries(
    lines.map((one) => [one.slice(0, one.indexOf(':')).toLowerCase(), one.slice(one.indexOf(':') + 1).trim()]),
  );
  return { status: Number(line.split(' ')[1]), headers, body: body.join('\r\n\r\n') };
}
