import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface KeystoneLayout {
  readonly database: string;
  readonly configDir: string;
  /** What a Keystone is besides its configuration: these, relative to its directory, make another one like it. */
  readonly state: readonly string[];
  /** For keystone-manage. */
  readonly configArguments: readonly string[];
}

/** A Keystone with SQLite and fernet tokens that knows where it and its Glance are from a file: no port is in the database. */
export async function writeKeystoneConfig(dir: string, port: number): Promise<KeystoneLayout> {
  const at = (...names: string[]): string => join(dir, ...names);
  await mkdir(at('etc', 'conf.d'), { recursive: true });
  // Keystone refuses key directories that others can read.
  for (const name of ['fernet', 'credential']) await mkdir(at(name), { recursive: true, mode: 0o700 });
  const url = `http://127.0.0.1:${port}`;
  const sections: Record<string, Record<string, string | number>> = {
    DEFAULT: { use_stderr: 'true', public_endpoint: `${url}/` },
    database: { connection: `sqlite:///${at('keystone.sqlite')}` },
    token: { provider: 'fernet' },
    fernet_tokens: { key_repository: at('fernet') },
    credential: { key_repository: at('credential') },
    cache: { enabled: 'false' },
    catalog: { driver: 'templated', template_file: at('etc', 'catalog.templates') },
    identity: { password_hash_rounds: 4 }, // bcrypt's least: these passwords guard nothing
  };
  const lines = Object.entries(sections).flatMap(([section, options]) => [
    `[${section}]`,
    ...Object.entries(options).map(([name, value]) => `${name} = ${value}`),
  ]);
  const catalog = ['public', 'internal', 'admin'].map((kind) => `catalog.RegionOne.identity.${kind}URL = ${url}/v3`);
  await writeFile(
    at('etc', 'catalog.templates'),
    `${[...catalog, 'catalog.RegionOne.identity.name = keystone'].join('\n')}\n`,
  );
  await writeFile(at('etc', 'keystone.conf'), `${lines.join('\n')}\n`);
  return {
    database: at('keystone.sqlite'),
    configDir: at('etc'),
    state: ['keystone.sqlite', 'fernet', 'credential'],
    // The empty directory keeps /etc/keystone/keystone.conf.d out.
    configArguments: ['--config-file', at('etc', 'keystone.conf'), '--config-dir', at('etc', 'conf.d')],
  };
}
