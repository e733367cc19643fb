// What Nova's host does when Quarry dies: deploy/haproxy and socket activation. docs/failing-open.md has the figures.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { systemClock } from '@quarry/runtime';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { flagWords } from '../../packages/daemon/src/demo/child.ts';
import { createShapedLink } from '../../packages/daemon/src/demo/shaped-link.ts';
import type { ShapedLink } from '../../packages/daemon/src/demo/shaped-link.ts';
import { NovaError, startNovaClient } from '../openstack/nova-client.ts';
import { findFreePort, listenerCount } from '../glance/free-port.ts';
import { mainScript, runQuarry } from './support/cluster.ts';
import { isGlanceInstalled, startGlance } from '../glance/start-glance.ts';
import type { Glance } from '../glance/start-glance.ts';

const config = fileURLToPath(new URL('../../deploy/haproxy/haproxy.cfg', import.meta.url));
const systemdScript = fileURLToPath(new URL('support/systemd.py', import.meta.url));
const secret = 'gAAAA-a-token-nobody-may-see';
const IMAGE_BYTES = 12 * 2 ** 20;
const RATE_BYTES_PER_SECOND = 8 * 2 ** 20;

interface Part {
  readonly child: ChildProcess;
  /** The next line of JSON that it says. */
  next(): Promise<Record<string, unknown>>;
  kill(signal?: NodeJS.Signals): Promise<void>;
}

function start(command: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}): Part {
  const child = spawn('/usr/bin/setpriv', ['--pdeathsig', 'KILL', command, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '', ...environment },
  });
  let lastWords = '';
  child.stderr.on('data', (text: Buffer) => (lastWords = (lastWords + text.toString()).slice(-3000)));
  const lines: Record<string, unknown>[] = [];
  const wake = new Set<() => void>();
  const ended = once(child, 'close').then(() => {
    for (const call of wake) call();
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(JSON.parse(line) as Record<string, unknown>);
    for (const call of wake) call();
  });
  return {
    child,
    async next() {
      for (;;) {
        const line = lines.shift();
        if (line) return line;
        if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${command} ended: ${lastWords}`);
        await new Promise<void>((resolve) => wake.add(resolve));
        wake.clear();
      }
    },
    async kill(signal = 'SIGKILL') {
      child.kill(signal);
      await ended;
    },
  };
}

interface Question {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

interface Answer {
  readonly status: number;
  readonly bytes: Buffer;
  readonly ms: number;
}

/** One request on a connection of its own, as Nova makes it. Rejects where the connection breaks. */
function ask(port: number, path: string, { method = 'GET', headers = {}, body }: Question = {}): Promise<Answer> {
  const startedMs = performance.now();
  return new Promise((resolve, reject) => {
    const sent = { 'X-Auth-Token': secret, Accept: '*/*', ...headers };
    const request = http.request({ host: '127.0.0.1', port, path, agent: false, method, headers: sent }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          bytes: Buffer.concat(parts),
          ms: performance.now() - startedMs,
        }),
      );
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** Resolves with the first bytes of a download, and how it ends: with all of them, or how many came before it broke. */
async function begin(
  port: number,
  path: string,
): Promise<{ readonly ended: Promise<{ whole: boolean; bytes: number }> }> {
  const request = http.request({ host: '127.0.0.1', port, path, agent: false }).end();
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  let bytes = 0;
  response.on('data', (part: Buffer) => (bytes += part.length));
  const ended = new Promise<{ whole: boolean; bytes: number }>((resolve) => {
    response.on('error', () => {});
    response.on('close', () => resolve({ whole: response.complete, bytes }));
  });
  await once(response, 'data');
  return { ended };
}

const nova = '/usr/lib/python3/dist-packages/nova/image/glance.py';
const needed = [nova, '/usr/sbin/haproxy', '/usr/bin/systemd-socket-activate', '/usr/bin/python3'];
const isInstalled = isGlanceInstalled() && needed.every((path) => existsSync(path));
const title = 'when Quarry dies';

describe.skipIf(!isInstalled)(isInstalled ? title : `${title} (run deploy/install-test-packages.sh)`, () => {
  let root: string;
  let keyFile: string;
  let glance: Glance;
  let slow: ShapedLink;
  let slowUrl: string;
  let image: string;
  const data = randomBytes(IMAGE_BYTES);
  const parts: Part[] = [];

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'quarry-open-'));
    keyFile = join(root, 'cluster.key');
    await runQuarry(['key', keyFile]);
    glance = await startGlance({ dir: join(root, 'glance') });
    image = (await glance.createImage({ name: 'image', diskFormat: 'raw', bytes: data })).id;
    const target = { host: '127.0.0.1', port: Number(new URL(glance.url).port) };
    // so that a download lasts, and can be broken off
    const rate = { rateBytesPerSecond: RATE_BYTES_PER_SECOND, routes: [{ listen: 0, target }] };
    slow = await createShapedLink({ clock: systemClock }, rate);
    slowUrl = `http://127.0.0.1:${slow.ports[0]}`;
  });
  afterEach(async () => {
    for (const part of parts.splice(0).reverse()) await part.kill();
  });
  afterAll(async () => {
    await slow?.close();
    await glance?.stop();
    await rm(root, { recursive: true, force: true });
  });

  let nodes = 0;
  /** Words that start a node whose images come from that Glance. */
  const nodeWords = (glanceUrl: string, ...flags: string[]): string[] => {
    nodes += 1;
    const common = {
      json: true,
      data: join(root, `node-${nodes}`),
      'cluster-key-file': keyFile,
      'log-level': 'error',
    } as const;
    const network = { listen: '/ip4/127.0.0.1/tcp/0', origin: 'glance', 'origin-url': glanceUrl } as const;
    const words = flagWords({ ...common, ...network });
    return ['--conditions=source', '--disable-warning=ExperimentalWarning', mainScript, 'node', ...words, ...flags];
  };
  const started = (part: Part): Part => {
    parts.push(part);
    return part;
  };
  const file = (): string => `/v2/images/${image}/file`;

  describe('behind haproxy', () => {
    let front: number;
    let port: number;
    let quarry: Part;
    let log: ReturnType<typeof createSocket>;
    let logged: string[];

    const startQuarry = async (): Promise<Part> => {
      const part = started(start(process.execPath, nodeWords(slowUrl, '--gateway', `127.0.0.1:${port}`)));
      await part.next();
      return part;
    };
    /** `quarry` or `glance`: which of them the last logged request went to. */
    const server = (path: string): string | undefined =>
      logged.map((line) => / glance\/(\S+) .*"\w+ (\S+) /.exec(line)).findLast((found) => found?.[2] === path)?.[1];
    /** Asks until it comes from `name`, and tells how long that took and what else was seen. */
    const until = async (name: string): Promise<{ readonly ms: number; readonly statuses: readonly number[] }> => {
      const startedMs = performance.now();
      const statuses = new Set<number>();
      for (let turn = 0; ; turn += 1) {
        const path = `/v2/images/${image}?${performance.now()}`;
        statuses.add((await ask(front, path)).status);
        await expect.poll(() => server(path)).toBeDefined();
        if (server(path) === name) return { ms: performance.now() - startedMs, statuses: [...statuses] };
        if (turn > 300) throw new Error(`never from ${name}`);
        await systemClock.sleep(50);
      }
    };

    beforeEach(async () => {
      [front, port] = [await findFreePort(), await findFreePort()];
      logged = [];
      log = createSocket('udp4', (line) => logged.push(line.toString()));
      log.bind(0, '127.0.0.1');
      await once(log, 'listening');
      quarry = await startQuarry();
      started(
        start('/usr/sbin/haproxy', ['-db', '-f', config], {
          QUARRY_FRONT: `127.0.0.1:${front}`,
          QUARRY_GATEWAY: `127.0.0.1:${port}`,
          GLANCE: `127.0.0.1:${slow.ports[0]}`,
          // for the test of one that is stopped: nobody waits here for ten minutes
          QUARRY_SILENCE: '6s',
          QUARRY_LOG: `127.0.0.1:${(log.address() as AddressInfo).port}`,
        }),
      );
      await expect
        .poll(
          () =>
            ask(front, '/versions').then(
              (answer) => answer.status,
              () => 0,
            ),
          { timeout: 10_000 },
        )
        .toBe(200);
    });
    afterEach(() => log.close());

    test('all goes to Quarry while it lives', async () => {
      const answer = await ask(front, file());
      expect(answer.bytes.equals(data)).toBe(true);
      await expect.poll(() => server(file())).toBe('quarry');
    });

    test('the next request goes to Glance at once, and back to Quarry when it is there again', async () => {
      await quarry.kill();
      const answer = await ask(front, `/v2/images/${image}`);
      expect(answer.status).toBe(200);
      // haproxy waits for a second before it tries again where there is one server of the first choice only
      expect(answer.ms).toBeLessThan(2500);
      await expect.poll(() => server(`/v2/images/${image}`)).toBe('glance');
      quarry = await startQuarry();
      const back = await until('quarry');
      expect(back.statuses).toEqual([200]);
      expect(back.ms).toBeLessThan(8000);
    });

    test('a download under way is cut, not ended as if it were whole, and the next one is whole', async () => {
      const download = await begin(front, file());
      await quarry.kill();
      const { whole, bytes } = await download.ended;
      expect(whole).toBe(false);
      expect(bytes).toBeLessThan(IMAGE_BYTES);
      expect((await ask(front, file())).bytes.equals(data)).toBe(true);
      await expect.poll(() => server(file())).toBe('glance');
    });

    test('a question without an answer yet is asked again of Glance, an upload is not sent again', async () => {
      await glance.pause();
      const uploadTo = '/v2/images/00000000-0000-4000-8000-000000000000/file';
      const headers = { 'Content-Type': 'application/octet-stream' };
      const asked = ask(front, `/v2/images/${image}`);
      const uploaded = ask(front, uploadTo, { method: 'PUT', headers, body: Buffer.alloc(1000) });
      const outcome = uploaded.then(
        (answer) => answer.status,
        (error: NodeJS.ErrnoException) => error.code,
      );
      await expect.poll(() => slow.stats()[0]?.openConnections, { timeout: 5000 }).toBe(2);
      const before = slow.stats()[0]?.connections ?? 0;
      await quarry.kill();
      // Nova does not try again on 502
      expect(await outcome).toBe(502);
      glance.resume();
      expect((await asked).status).toBe(200);
      await expect.poll(() => server(`/v2/images/${image}`)).toBe('glance');
      expect(slow.stats()[0]?.connections).toBe(before + 1);
    });

    test('an upload that finds Quarry dead goes to Glance whole', async () => {
      const created = await ask(front, '/v2/images', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: Buffer.from(JSON.stringify({ name: 'up', disk_format: 'raw', container_format: 'bare' })),
      });
      const { id } = JSON.parse(created.bytes.toString()) as { id: string };
      await quarry.kill();
      const headers = { 'Content-Type': 'application/octet-stream' };
      const answer = await ask(front, `/v2/images/${id}/file`, {
        method: 'PUT',
        headers,
        body: data.subarray(0, 2 ** 20),
      });
      expect(answer.status).toBe(204);
      expect((await glance.getImage(id)).size).toBe(2 ** 20);
    });

    test('one that is stopped, not dead, is left out when its checks have failed, and taken back', async () => {
      const download = await begin(front, file());
      quarry.child.kill('SIGSTOP');
      const waiting = ask(front, `/v2/images/${image}?waiting`);
      // silent for too long
      expect((await download.ended).whole).toBe(false);
      // asked again, of Glance in the end
      expect((await waiting).status).toBe(200);
      await expect.poll(() => server(`/v2/images/${image}?waiting`)).toBe('glance');
      const out = await until('glance');
      quarry.child.kill('SIGCONT');
      const back = await until('quarry');
      expect([...out.statuses, ...back.statuses]).toEqual([200, 200]);
    });

    test('Nova fails where a download was cut, and has the image at once when it asks again', async () => {
      const nova = await startNovaClient(root);
      try {
        const images = nova.at(`http://127.0.0.1:${front}`, { userId: 'u', projectId: 'p', token: secret });
        const path = join(root, 'nova.part');
        const failed = images.download(image, path).then(
          () => 'whole',
          (error: unknown) => (error instanceof NovaError ? error.exception : error),
        );
        await expect
          .poll(
            () =>
              stat(path).then(
                ({ size }) => size,
                () => 0,
              ),
            { timeout: 20_000 },
          )
          .toBeGreaterThan(2 ** 20);
        await quarry.kill();
        expect(await failed).toBe('BrokenPipeError');
        await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
        await images.download(image, path);
        expect((await readFile(path)).equals(data)).toBe(true);
        expect(logged.filter((line) => line.includes(`${file()} `)).length).toBe(2);
        // the control: without haproxy Nova asks four times within three seconds, and gives up
        const alone = nova.at(`http://127.0.0.1:${port}`, { userId: 'u', projectId: 'p', token: secret });
        await expect(alone.download(image, path)).rejects.toMatchObject({ exception: 'GlanceConnectionFailed' });
      } finally {
        await nova.stop();
      }
    });

    test('haproxy’s log names which of the two answered, and no token', async () => {
      await ask(front, `/v2/images/${image}`);
      await ask(front, '/v2/images', { method: 'POST', body: Buffer.from('no JSON') });
      await expect.poll(() => server('/v2/images')).toBe('quarry');
      await quarry.kill();
      await ask(front, '/versions?dead');
      await expect.poll(() => server('/versions?dead')).toBe('glance');
      expect(logged.join('\n')).not.toContain(secret);
    });
  });

  describe('with its socket held by systemd', () => {
    test('the façade is started by the first connection, on the socket that it is handed', async () => {
      const port = await findFreePort();
      const flags = [`--listen=127.0.0.1:${port}`, '--fdname=gateway', process.execPath];
      const activated = started(start('/usr/bin/systemd-socket-activate', [...flags, ...nodeWords(glance.url)]));
      // it says nothing before somebody comes
      await expect.poll(() => listenerCount(port)).toBe(1);
      expect((await ask(port, `/v2/images/${image}`)).status).toBe(200);
      expect(await activated.next()).toHaveProperty('nodeId');
    });

    test('a download under way is cut; who comes while no process runs waits for the next one, and is answered', async () => {
      const restartSeconds = 2;
      const words = [systemdScript, '127.0.0.1', '0', `${restartSeconds}`, process.execPath, ...nodeWords(slowUrl)];
      const systemd = started(start('/usr/bin/python3', words));
      const port = Number((await systemd.next()).port);
      const starting = begin(port, file());
      const { started: pid } = await systemd.next();
      const download = await starting;
      process.kill(Number(pid), 'SIGKILL');
      expect((await download.ended).whole).toBe(false);
      const answers = await Promise.all([1, 2, 3].map((turn) => ask(port, `/v2/images/${image}?${turn}`)));
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
      const waitedMs = Math.max(...answers.map(({ ms }) => ms));
      expect(waitedMs).toBeGreaterThan(1000 * restartSeconds - 500);
      expect((await ask(port, file())).bytes.equals(data)).toBe(true);
    });
  });
});
