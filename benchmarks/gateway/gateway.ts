// The façade on loopback: what it gives and takes, against nginx and against the Glance behind it, in the same rounds.
import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createLifecycle } from '@quarry/runtime';
import type { Lifecycle } from '@quarry/runtime';
import { findCommand, runToEnd } from '@quarry/storm';
import type { RunningProcess } from '@quarry/storm';
import { isGlanceInstalled, startGlance } from '../../test/glance/start-glance.ts';
import type { Glance } from '../../test/glance/start-glance.ts';
import { interleaved, median, ratio, reportOf, resultsOf } from '../bench.ts';
import type { Bench, BenchOptions, Contestant, NotRun, Result, Sample } from '../bench.ts';
import { writeRandomDisk } from '../contents.ts';
import { startNginx } from '../nginx.ts';
import { runTimed } from '../processes.ts';
import { checkSame, warmPages } from '../transfer/rounds.ts';
import { freePort } from '../transfer/free-port.ts';
import { startFacade } from './facade.ts';

const partNames = ['download', 'first-byte', 'upload'] as const;
type Part = (typeof partNames)[number];

const names = {
  facade: 'download: façade, warm store',
  nginx: 'download: curl from nginx, HTTP',
  glance: 'download: straight from Glance',
  uploadFacade: 'upload: through the façade',
  uploadGlance: 'upload: straight to Glance',
} as const;

/** Requests whose first byte is timed, per round. */
const FIRST_BYTES = 9;

export const gateway: Bench = {
  about:
    'Glance’s API of a host: downloads from a warm store against nginx, uploads and first bytes against Glance itself',
  parts: partNames,
  async run(options) {
    const why = whyNot();
    if (why) return reportOf({ results: [], ratios: {}, notRun: [why] });
    const root = join(options.directory, 'gateway');
    await mkdir(root, { recursive: true });
    const lifecycle = createLifecycle();
    try {
      return await measure(options, root, lifecycle);
    } finally {
      await lifecycle.close();
      await rm(root, { recursive: true, force: true });
    }
  },
};

function whyNot(): NotRun | undefined {
  const missing = ['nginx', 'curl'].filter((name) => !findCommand(name));
  if (!isGlanceInstalled()) missing.push('glance-api');
  if (missing.length === 0) return undefined;
  const why = `${missing.join(' and ')} is not installed; benchmarks/install-peers.sh and deploy/install-test-packages.sh install it`;
  return { name: 'gateway', why };
}

interface Setup {
  readonly root: string;
  readonly image: string;
  readonly imageId: string;
  readonly facade: RunningProcess & { readonly url: string };
  readonly glance: Glance;
  readonly nginx: RunningProcess;
  readonly nginxUrl: string;
  readonly options: BenchOptions;
}

async function measure(options: BenchOptions, root: string, lifecycle: Lifecycle): ReturnType<Bench['run']> {
  const { sizeBytes, signal, tell, only } = options;
  const isChosen = (part: Part): boolean => only.length === 0 || only.includes(part);
  tell('making an image, starting Glance, nginx and a node with a façade');
  const image = join(root, 'image.raw');
  await writeRandomDisk(image, sizeBytes, signal);
  const glance = await startGlance({ dir: join(root, 'glance'), signal });
  lifecycle.onClose('Glance', () => glance.stop());
  const facade = await startFacade({ directory: join(root, 'node'), glance: glance.url, signal });
  lifecycle.onClose('the node', () => facade.stop());
  const port = await freePort();
  const nginxPath = findCommand('nginx') ?? 'nginx';
  const nginx = await startNginx(nginxPath, { directory: join(root, 'nginx'), root, host: '127.0.0.1', port, signal });
  lifecycle.onClose('nginx', () => nginx.stop());
  const imageId = await upload(facade.url, image, signal); // shelved here: the store is warm
  const nginxUrl = `http://127.0.0.1:${port}/image.raw`;
  const setup: Setup = { root, image, imageId, facade, glance, nginx, nginxUrl, options };

  const contestants = [
    ...(isChosen('download') ? downloads(setup) : []),
    ...(isChosen('upload') ? uploads(setup) : []),
  ];
  const results = resultsOf(await interleaved(contestants, options), sizeBytes);
  const find = (name: string): Result | undefined => results.find((result) => result.name === name);
  const pairs = [
    ['warm download, to nginx', find(names.facade), find(names.nginx)],
    ['warm download, to Glance', find(names.facade), find(names.glance)],
    ['upload, to Glance', find(names.uploadFacade), find(names.uploadGlance)],
  ] as const;
  const ratios = Object.fromEntries(pairs.flatMap(([name, a, b]) => (a && b ? [[name, ratio(a, b)]] : [])));
  const facts = isChosen('first-byte') ? await firstBytes(setup) : {};
  return reportOf({ results, ratios, notRun: [], facts });
}

function downloads({ root, image, imageId, facade, glance, nginx, nginxUrl, options }: Setup): readonly Contestant[] {
  const { directory, signal } = options;
  const from = (name: string, url: string, server: RunningProcess | undefined): Contestant => ({
    name,
    async run(): Promise<Sample> {
      const target = join(root, 'received');
      await warmPages(image, directory, signal);
      const before = await server?.usage();
      const sample = await runTimed('curl --fail --silent --show-error -o "$1" "$2"', [target, url], { signal });
      const after = await server?.usage();
      await checkSame(image, target, signal);
      await rm(target);
      return {
        ...sample,
        ...(before &&
          after && { senderCpuSeconds: after.cpuSeconds - before.cpuSeconds, senderPeakRssMiB: after.peakRssMiB }),
      };
    },
  });
  return [
    from(names.facade, fileUrl(facade.url, imageId), facade),
    from(names.nginx, nginxUrl, nginx),
    from(names.glance, fileUrl(glance.url, imageId), undefined),
  ];
}

/** Each upload is of an image that is new to all: what was uploaded is deleted again, through the façade, outside the measured time. */
function uploads({ image, facade, glance, options }: Setup): readonly Contestant[] {
  const { directory, signal } = options;
  const to = (name: string, url: string, server: RunningProcess | undefined): Contestant => ({
    name,
    async run(): Promise<Sample> {
      await warmPages(image, directory, signal);
      const id = await created(url, signal);
      const before = await server?.usage();
      const put = 'curl --fail --silent --show-error -T - -H "Content-Type: application/octet-stream" "$2" < "$1"';
      const sample = await runTimed(put, [image, fileUrl(url, id)], { signal });
      const after = await server?.usage();
      await checkSame(image, join(glance.imagesDir, id), signal);
      await call(facade.url, 'DELETE', `/${id}`, [], signal);
      return {
        ...sample,
        ...(before &&
          after && { senderCpuSeconds: after.cpuSeconds - before.cpuSeconds, senderPeakRssMiB: after.peakRssMiB }),
      };
    },
  });
  return [to(names.uploadFacade, facade.url, facade), to(names.uploadGlance, glance.url, undefined)];
}

/** Medians, in milliseconds: of the façade's first byte, and of Glance's own answers to the two questions that allow a read. */
async function firstBytes({
  facade,
  glance,
  imageId,
  image,
  options,
}: Setup): Promise<Readonly<Record<string, number>>> {
  const { signal, runs } = options;
  const { size } = await stat(image);
  const times = { facade: [] as number[], show: [] as number[], probe: [] as number[], glance: [] as number[] };
  for (let i = 0; i < runs * FIRST_BYTES; i += 1) {
    times.show.push(await firstByteMs(`${glance.url}/v2/images/${imageId}`, [], signal));
    times.probe.push(await firstByteMs(fileUrl(glance.url, imageId), ['-H', `Range: bytes=${size}-`], signal));
    times.facade.push(await firstByteMs(fileUrl(facade.url, imageId), ['--range', '0-65535'], signal));
    times.glance.push(await firstByteMs(fileUrl(glance.url, imageId), ['--range', '0-65535'], signal));
  }
  const [whole, show, probe] = [median(times.facade), median(times.show), median(times.probe)];
  return {
    'first byte of the façade, ms': whole,
    'Glance’s show, ms': show,
    'Glance’s answer to the authorising request, ms': probe,
    'first byte straight from Glance, ms': median(times.glance),
    'added to both of Glance’s answers, ms': whole - show - probe,
    'added to the authorising answer, ms': whole - probe,
  };
}

async function firstByteMs(url: string, args: readonly string[], signal: AbortSignal): Promise<number> {
  const { stdout } = await runToEnd(
    ['curl', '--silent', '--show-error', '-o', '/dev/null', '-w', '%{time_starttransfer}', ...args, url],
    { signal },
  );
  return Number(stdout) * 1000;
}

function fileUrl(url: string, id: string): string {
  return `${url}/v2/images/${id}/file`;
}

async function call(
  url: string,
  method: string,
  path: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const { stdout } = await runToEnd(
    ['curl', '--fail', '--silent', '--show-error', '-X', method, ...args, `${url}/v2/images${path}`],
    { signal },
  );
  return stdout;
}

/** A queued image, of which `PUT …/file` may give the data. */
async function created(url: string, signal: AbortSignal): Promise<string> {
  const record = JSON.stringify({ name: 'bench', disk_format: 'raw', container_format: 'bare' });
  const answer = await call(url, 'POST', '', ['-H', 'Content-Type: application/json', '-d', record], signal);
  return (JSON.parse(answer) as { readonly id: string }).id;
}

async function upload(url: string, image: string, signal: AbortSignal): Promise<string> {
  const id = await created(url, signal);
  await call(url, 'PUT', `/${id}/file`, ['-T', image, '-H', 'Content-Type: application/octet-stream'], signal);
  return id;
}
