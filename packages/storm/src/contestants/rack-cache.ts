import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Contestant, Stage, WatchedProcess } from '../contestant.ts';
import { awaitAnswer } from '../process/await-answer.ts';
import { findCommand } from '../process/find-command.ts';
import { runToEnd } from '../process/run-to-end.ts';
import { startProcess } from '../process/start-process.ts';
import type { Place } from '../storm-network.ts';
import { fetchingAttempt } from './fetching-attempt.ts';
import { fetchCommand } from './glance-requests.ts';

const PORT = 8080;
const installs = 'benchmarks/install-peers.sh installs it';

/** A tier of HTTP caches, as operators build it. */
export function createRackCache(): Contestant {
  return {
    name: 'rack-cache',
    about: 'nginx as a cache on one more machine in every rack, in slices of 1 MiB, each fetched once',
    async whyNot(_, { signal }) {
      const nginx = findCommand('nginx');
      if (nginx === undefined) return `nginx is not installed; ${installs}`;
      if (findCommand('curl') === undefined) return `curl is not installed; ${installs}`;
      const { stderr } = await runToEnd([nginx, '-V'], { signal });
      return stderr.includes('http_slice_module') ? undefined : 'this nginx was built without its slice module';
    },
    async prepare(stage) {
      const { network, storm, glance } = stage;
      const servers: WatchedProcess[] = [];
      for (const rack of network.racks) servers.push(await startCache(stage, rack));
      const { token } = glance;
      return fetchingAttempt(stage, {
        servers,
        command: ({ host, id, file }) => {
          const address = network.racks[storm.hosts[host]?.zone ?? -1]?.address;
          if (address === undefined) throw new RangeError(`host ${host} is in no rack`);
          return fetchCommand(`http://${address}:${PORT}`, { id, token, file });
        },
      });
    },
  };
}

async function startCache(stage: Stage, rack: Place): Promise<WatchedProcess> {
  const { glance, lifecycle, clock, signal } = stage;
  const directory = join(stage.directory, rack.name);
  await mkdir(directory);
  const path = join(directory, 'nginx.conf');
  await writeFile(path, cacheConfig({ directory, listen: `${rack.address}:${PORT}`, upstream: glance.url }));
  const name = `nginx on ${rack.name}`;
  const command = [findCommand('nginx') ?? 'nginx', '-p', directory, '-e', `${directory}/error.log`, '-c', path];
  const server = startProcess(name, command, { signal, prefix: rack.prefix });
  lifecycle.onClose(name, () => server.stop());
  const ask = ['curl', '--silent', '--output', '/dev/null', `http://${rack.address}:${PORT}/`];
  await awaitAnswer({ clock, server }, ask, { signal, prefix: rack.prefix });
  return { pid: server.pid, host: undefined, name: 'nginx' };
}

/**
 * Slices, since a request that waits for another's fill gets nothing before the object is whole: with slices hosts follow the fill one slice behind. The lock
 * must outlast a slice on a busy link: after its timeout, 5 s by default, nginx sends the request to Glance too. A hit is not asked of Glance: whoever knows an
 * image's id gets it, as with every cache that does not understand tokens.
 */
export function cacheConfig(options: {
  readonly directory: string;
  readonly listen: string;
  /** Glance: `http://10.0.0.1:9292`. */
  readonly upstream: string;
}): string {
  const { directory, listen, upstream } = options;
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${directory}/${kind};`,
  );
  // As root nginx would give its worker away to a user who may not read a private temporary directory.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  return `${user}
daemon off;
worker_processes 1;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log warn;
events { worker_connections 2048; }
http {
  access_log off;
  sendfile on;
  ${temporary.join('\n  ')}
  proxy_cache_path ${directory}/cache keys_zone=images:8m max_size=100g inactive=1d use_temp_path=off;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_read_timeout 1h;
  send_timeout 1h;
  upstream glance {
    server ${new URL(upstream).host};
    keepalive 16;
  }
  server {
    listen ${listen};
    location / {
      proxy_pass http://glance;
    }
    location ~ ^/v2/images/[^/]+/file$ {
      slice 1m;
      proxy_set_header Range $slice_range;
      proxy_cache images;
      proxy_cache_key $uri$slice_range;
      proxy_cache_valid 200 206 1d;
      proxy_ignore_headers Cache-Control Expires Set-Cookie Vary;
      proxy_cache_lock on;
      proxy_cache_lock_timeout 1h;
      proxy_cache_lock_age 1h;
      proxy_pass http://glance;
    }
  }
}
`;
}
