// nginx to curl, over TLS 1.3, with the cipher and the file that we use: what a well-made HTTP server and client do on this machine.
import { rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { findCommand, runToEnd } from '@quarry/storm';
import type { Contestant, Sample } from '../bench.ts';
import { startNginx } from '../nginx.ts';
import { runTimed } from '../processes.ts';
import type { ContestantSetup, Entry } from './contestant-setup.ts';
import { freePort } from './free-port.ts';

const CIPHER = 'TLS_AES_128_GCM_SHA256';

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
  const server = await startNginx(nginx, {
    directory: join(setup.directory, 'nginx'),
    root: dirname(setup.image),
    host,
    port,
    tls: [
      `ssl_certificate ${certificate.path};`,
      `ssl_certificate_key ${certificate.keyPath};`,
      'ssl_protocols TLSv1.3;',
      `ssl_conf_command Ciphersuites ${CIPHER};`,
    ],
    serverPrefix: setup.link.senderPrefix,
    clientPrefix: setup.link.receiverPrefix,
    signal: setup.signal,
  });
  setup.lifecycle.onClose('nginx', () => server.stop());
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
  await runToEnd(['openssl', 'req', '-x509', ...key, ...name, '-out', certificate.path], { signal });
  return certificate;
}
