// nginx to curl, over TLS 1.3, with the cipher and the file that we use: what a well-made HTTP server and client do on this machine.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { systemClock } from '@quarry/runtime';
import type { Contestant, Sample } from '../bench.ts';
import { findCommand, runTimed, runToEnd } from '../processes.ts';
import { startProcess } from '../running-process.ts';
import type { RunningProcess } from '../running-process.ts';
import type { ContestantSetup, Entry } from './contestant-setup.ts';
import { freePort } from './free-port.ts';

const CIPHER = 'TLS_AES_128_GCM_SHA256';
const ANSWERS_WITHIN_MS = 10_000;

export const httpsName = 'curl from nginx';

export async function https(setup: ContestantSetup): Promise<Entry> {
  const nginx = findCommand('nginx');
  const missing = [
    ...(nginx === undefined ? ['nginx'] : []),
    ...['curl', 'openssl'].filter((name) => !findCommand(name)),
  ];
  if (nginx === undefined || missing.length > 0) {
    return {
      name: httpsName,
      why: `${missing.join(' and ')} is not installed; benchmarks/install-peers.sh installs it`,
    };
  }
  const { host } = setup.link;
  const port = await freePort();
  const certificate = await makeCertificate(setup);
  const server = await startNginx(nginx, port, certificate, setup);
  const url = `https://${host}:${port}/${basename(setup.image)}`;
  const run = async (isDurable: boolean): Promise<Sample> => {
    const target = join(setup.directory, 'received');
    await setup.prepare();
    const before = await server.usage();
    const sentBefore = await setup.link.sentBytes();
    const get = `curl --fail --silent --show-error --http1.1 --cacert "$1" --tls13-ciphers ${CIPHER} -o "$2" "$3"`;
    const sample = await runTimed(`${get}${isDurable ? ' && sync -- "$2"' : ''}`, [certificate.path, target, url], {
      prefix: setup.link.receiverPrefix,
      signal: setup.signal,
    });
    const sentAfter = await setup.link.sentBytes();
    const after = await server.usage();
    await setup.check(target);
    await rm(target);
    return {
      ...sample,
      senderCpuSeconds: after.cpuSeconds - before.cpuSeconds,
      senderPeakRssMiB: after.peakRssMiB,
      ...(sentBefore !== undefined && sentAfter !== undefined && { wireBytes: sentAfter - sentBefore }),
    };
  };
  const contestants: readonly Contestant[] = [
    { name: httpsName, run: () => run(false) },
    { name: `${httpsName}, fsync`, run: () => run(true) },
  ];
  return { contestants };
}

interface Certificate {
  readonly path: string;
  readonly keyPath: string;
}

async function makeCertificate({ directory, link, signal }: ContestantSetup): Promise<Certificate> {
  const certificate = { path: join(directory, 'certificate.pem'), keyPath: join(directory, 'key.pem') };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', certificate.keyPath];
  const name = ['-subj', '/CN=quarry-bench', '-addext', `subjectAltName=IP:${link.host}`, '-days', '2'];
  await runToEnd('openssl', ['req', '-x509', ...key, ...name, '-out', certificate.path], signal);
  return certificate;
}

async function startNginx(
  nginx: string,
  port: number,
  certificate: Certificate,
  { directory, image, link, lifecycle, signal }: ContestantSetup,
): Promise<RunningProcess> {
  const prefix = join(directory, 'nginx');
  await mkdir(prefix);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${prefix}/${kind};`,
  );
  // As root nginx would give its worker away to a user who may not read a private temporary directory.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  const config = `${user}
daemon off;
worker_processes 1;
pid ${prefix}/nginx.pid;
error_log ${prefix}/error.log warn;
events {}
http {
  access_log off;
  sendfile on;
  ${temporary.join('\n  ')}
  server {
    listen ${link.host}:${port} ssl;
    root ${dirname(image)};
    ssl_certificate ${certificate.path};
    ssl_certificate_key ${certificate.keyPath};
    ssl_protocols TLSv1.3;
    ssl_conf_command Ciphersuites ${CIPHER};
  }
}
`;
  const path = join(prefix, 'nginx.conf');
  await writeFile(path, config);
  const command = [nginx, '-p', prefix, '-e', `${prefix}/error.log`, '-c', path];
  const server = startProcess('nginx', command, { signal, prefix: link.senderPrefix });
  lifecycle.onClose('nginx', () => server.stop());
  await answers(server, `https://${link.host}:${port}/`, link.receiverPrefix, signal);
  return server;
}

/** Asks until nginx accepts connections; whether the answer is a good one does not matter yet. */
async function answers(
  server: RunningProcess,
  url: string,
  prefix: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const [command, ...args] = [...prefix, 'curl', '--silent', '--insecure', '--output', '/dev/null', url];
  const untilMs = systemClock.now() + ANSWERS_WITHIN_MS;
  const hasEnded = server.ended.then(() => {
    throw new Error('nginx has ended');
  });
  hasEnded.catch(() => {});
  for (;;) {
    const isUp = runToEnd(command, args, signal).then(
      () => true,
      () => false,
    );
    if (await Promise.race([isUp, hasEnded])) return;
    if (systemClock.now() > untilMs) throw new Error(`nginx does not answer at ${url}`);
    await systemClock.sleep(50, { signal });
  }
}
