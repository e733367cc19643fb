import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Where one Glance keeps everything: nothing of the machine's own configuration is read, nothing outside is written. */
export interface GlanceLayout {
  readonly database: string;
  readonly imagesDir: string;
  readonly logFile: string;
  /** For any of Glance's commands. */
  readonly configArguments: readonly string[];
}

/**
 * Writes the configuration of a Glance with SQLite, a file store and no authentication. `extraConfig` is oslo.config text that
 * is read last, so it wins: `[paste_deploy]\nflavor = keystone` and a `[keystone_authtoken]` section put a Keystone before it.
 */
export async function writeGlanceConfig(dir: string, port: number, extraConfig: string): Promise<GlanceLayout> {
  const at = (...names: string[]): string => join(dir, ...names);
  for (const name of ['images', 'staging', 'tasks', 'lock', 'etc/conf.d', 'etc/policy.d']) {
    await mkdir(at(name), { recursive: true });
  }
  const sections: Record<string, Record<string, string | number>> = {
    DEFAULT: {
      bind_host: '127.0.0.1',
      bind_port: port,
      workers: 0, // one process to stop, and one writer to the SQLite file
      node_staging_uri: `file://${at('staging')}`,
      enabled_import_methods: '[]', // the default ones want a second process
    },
    database: { connection: `sqlite:///${at('glance.sqlite')}` },
    glance_store: { stores: 'file', default_store: 'file', filesystem_store_datadir: at('images') },
    paste_deploy: { config_file: '/usr/share/glance-common/glance-api-paste.ini' },
    // Empty ones, or Debian's in /etc/glance are found.
    oslo_policy: { policy_file: at('etc', 'policy.yaml'), policy_dirs: at('etc', 'policy.d') },
    oslo_concurrency: { lock_path: at('lock') },
    task: { work_dir: at('tasks') },
  };
  const lines = Object.entries(sections).flatMap(([section, options]) => [
    `[${section}]`,
    ...Object.entries(options).map(([name, value]) => `${name} = ${value}`),
  ]);
  await writeFile(at('etc', 'glance-api.conf'), `${lines.join('\n')}\n`);
  await writeFile(at('etc', 'extra.conf'), extraConfig);
  await writeFile(at('etc', 'policy.yaml'), '');
  return {
    database: at('glance.sqlite'),
    imagesDir: at('images'),
    logFile: at('glance.log'),
    // The empty directory keeps /etc/glance/glance-api.conf.d out.
    configArguments: ['etc/glance-api.conf', 'etc/extra.conf', 'etc/conf.d'].flatMap((name) => [
      name.endsWith('.d') ? '--config-dir' : '--config-file',
      at(name),
    ]),
  };
}
