// nginx with one worker, as a server of files that others are measured against.
import { mkdir, writeFile } from 'node:fs/promises';
import { runToEnd, startProcess } from '@quarry/storm';
import type { RunningProcess } from '@quarry/storm';
import { systemClock } from '@quarry/runtime';

export interface NginxOptions {
  /** Made here, for what nginx keeps. */
  readonly directory: string;
  /** Whose files it serves. */
  readonly root: string;
  readonly host: string;
  readonly port: number;
  /** Lines of its configuration; none: plain HTTP. */
  readonly tls?: readonly string[];
  /** Put before the commands, as in `ip netns exec NAME`. */
  readonly serverPrefix?: readonly string[];
  readonly clientPrefix?: readonly string[];
  readonly signal: AbortSignal;
}

const ANSWERS_WITHIN_MS = 10_000;

/** Resolves when it answers. Whoever starts it stops it. */
export async function startNginx(nginx: string, options: NginxOptions): Promise<RunningProcess> {
  const { directory, root, host, port, tls = [], serverPrefix = [], clientPrefix = [], signal } = options;
  await mkdir(directory);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${directory}/${kind};`,
  );
  // As root nginx would give its worker away to a user who may not read a private temporary directory.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  const config = `${user}
daemon off;
worker_processes 1;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log warn;
events {}
http {
  access_log off;
  sendfile on;
  ${temporary.join('\n  ')}
  server {
    listen ${host}:${port}${tls.length > 0 ? ' ssl' : ''};
    root ${root};
    ${tls.join('\n    ')}
  }
}
`;
  const path = `${directory}/nginx.conf`;
  await writeFile(path, config);
  const command = [nginx, '-p', directory, '-e', `${directory}/error.log`, '-c', path];
  const server = startProcess('nginx', command, { signal, prefix: serverPrefix });
  try {
    await answers(server, `${tls.length > 0 ? 'https' : 'http'}://${host}:${port}/`, clientPrefix, signal);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

/** Asks until nginx accepts connections; whether the answer is a good one does not matter yet. */
async function answers(
  server: RunningProcess,
  url: string,
  prefix: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const command = ['curl', '--silent', '--insecure', '--output', '/dev/null', url];
  const untilMs = systemClock.now() + ANSWERS_WITHIN_MS;
  const hasEnded = server.ended.then(() => {
    throw new Error('nginx has ended');
  });
  hasEnded.catch(() => {});
  for (;;) {
    const isUp = runToEnd(command, { signal, prefix }).then(
      () => true,
      () => false,
    );
    if (await Promise.race([isUp, hasEnded])) return;
    if (systemClock.now() > untilMs) throw new Error(`nginx does not answer at ${url}`);
    await systemClock.sleep(50, { signal });
  }
}
