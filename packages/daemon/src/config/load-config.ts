import { accessSync, constants, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'smol-toml';
import { formatBytes } from '@quarry/runtime';
import { ConfigError } from './config-error.ts';
import type { Config, ConfigKey } from './config.ts';
import { configKeys, settingOf } from './settings.ts';

export interface ConfigSources {
  /** TOML file; settings from flags win over it. */
  readonly file?: string | undefined;
  /** Values as the command line gave them, by key. */
  readonly flags?: Readonly<Partial<Record<ConfigKey, unknown>>> | undefined;
}

/**
 * Defaults, then the file, then flags; unknown keys are refused with the nearest known one, half-configured origins with the reason.
 * @throws ConfigError
 */
export function loadConfig(sources: ConfigSources = {}): Config {
  const values = new Map<ConfigKey, unknown>();
  for (const key of configKeys) values.set(key, settingOf(key).default);
  if (sources.file !== undefined) {
    for (const [key, raw] of readFile(sources.file)) values.set(key, parseValue(key, raw, sources.file));
  }
  for (const key of configKeys) {
    const raw = sources.flags?.[key];
    if (raw !== undefined) values.set(key, parseValue(key, raw, `--${settingOf(key).flag}`));
  }
  return finish(nested(values));
}

function readFile(path: string): (readonly [ConfigKey, unknown])[] {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ConfigError('CONFIG_UNREADABLE', `cannot read the configuration file ${path}: ${messageOf(cause)}`, {
      cause,
      details: { path },
    });
  }
  let document: Record<string, unknown>;
  try {
    document = parse(content);
  } catch (cause) {
    throw new ConfigError('CONFIG_UNREADABLE', `${path} is not TOML: ${messageOf(cause)}`, {
      cause,
      details: { path },
    });
  }
  return Object.entries(document).flatMap(([section, table]) => {
    if (typeof table !== 'object' || table === null || Array.isArray(table)) throw unknownKey(section, path);
    return Object.entries(table).map(([name, raw]) => [knownKey(`${section}.${name}`, path), raw] as const);
  });
}

function knownKey(key: string, path: string): ConfigKey {
  const known = configKeys.find((candidate) => candidate === key);
  if (!known) throw unknownKey(key, path);
  return known;
}

function unknownKey(key: string, path: string): ConfigError {
  const word = key.slice(key.lastIndexOf('.') + 1).toLowerCase();
  const near = configKeys.find((candidate) => candidate.toLowerCase().endsWith(`.${word}`)) ?? nearest(key);
  return new ConfigError('CONFIG_UNKNOWN_KEY', `${path}: there is no setting "${key}"; did you mean "${near}"?`, {
    details: { path, key, near },
  });
}

function parseValue(key: ConfigKey, raw: unknown, where: string): unknown {
  const setting = settingOf(key);
  const value = setting.kind.parse(raw);
  if (value !== undefined) return value;
  throw new ConfigError(
    'CONFIG_BAD_VALUE',
    `${where}: ${key} is ${JSON.stringify(raw)}, but must be ${setting.kind.says}`,
    {
      details: { where, key, value: raw },
    },
  );
}

function nested(values: ReadonlyMap<ConfigKey, unknown>): Config {
  const config: Record<string, Record<string, unknown>> = {};
  for (const [key, value] of values) {
    const [section = '', name = ''] = key.split('.');
    config[section] = { ...config[section], [name]: value };
  }
  return config as unknown as Config;
}

const MIN_MEMORY_BYTES = 4 * 2 ** 20;

/** Works out what depends on other settings, and refuses what does not go together. */
function finish(config: Config): Config {
  const dataDirectory = resolve(config.node.dataDirectory);
  const { kind, path, url } = config.origin;
  if ((kind === 'directory' || kind === 'glance-store') && path === '')
    throw incomplete('origin.path', `the origin is "${kind}"`);
  if ((kind === 'glance' || kind === 'http') && !isHttpUrl(url))
    throw incomplete('origin.url', `the origin is "${kind}"`);
  if (kind === 'none' && (path !== '' || url !== ''))
    throw incomplete('origin.kind', 'origin.path or origin.url is set');
  const glance = config.gateway.glance || (kind === 'glance' || kind === 'glance-store' ? url : '');
  if (config.gateway.listen !== '' && !isHttpUrl(glance)) throw incomplete('gateway.glance', 'gateway.listen is set');
  if (config.gateway.listen !== '' && !isHostAndPort(config.gateway.listen)) {
    throw new ConfigError(
      'CONFIG_BAD_VALUE',
      `gateway.listen is ${JSON.stringify(config.gateway.listen)}, but must be host:port, such as "127.0.0.1:9292"`,
      { details: { key: 'gateway.listen' } },
    );
  }
  if (config.exports.socket !== '' && !isHttpUrl(glance))
    throw incomplete('gateway.glance', 'exports.socket is set: Glance says who may read an image');
  const { caFile } = config.gateway;
  if (caFile !== '' && !isReadable(caFile)) {
    throw new ConfigError(
      'CONFIG_BAD_VALUE',
      `gateway.caFile is ${JSON.stringify(caFile)}, which cannot be read: give a file of certificates in PEM form`,
      { details: { key: 'gateway.caFile', path: caFile } },
    );
  }
  if (config.limits.memoryBytes < MIN_MEMORY_BYTES) {
    throw new ConfigError(
      'CONFIG_BAD_VALUE',
      `limits.memoryBytes is ${formatBytes(config.limits.memoryBytes)}, but a node needs ${formatBytes(MIN_MEMORY_BYTES)} or more: a piece or two for each direction`,
      { details: { key: 'limits.memoryBytes' } },
    );
  }
  return {
    ...config,
    node: { ...config.node, dataDirectory },
    network: {
      ...config.network,
      clusterKeyFile: config.network.clusterKeyFile || join(dataDirectory, 'cluster.key'),
      bulkListen: bulkListenOf(config.network),
    },
    gateway: { ...config.gateway, glance },
    control: { ...config.control, socket: config.control.socket || join(dataDirectory, 'control.sock') },
    exports: { ...config.exports, directory: config.exports.directory || join(dataDirectory, 'exports') },
  };
}

/** One port higher than `network.listen`; where that is any free port, so is this. */
function bulkListenOf({ bulk, bulkListen, listen }: Config['network']): readonly string[] {
  if (bulk === 'off' || bulkListen.length > 0) return bulkListen;
  return listen.map((address) =>
    address.replace(/\/tcp\/(\d{1,5})/, (_, port: string) => {
      const next = port === '0' ? 0 : Number(port) + 1;
      if (next > 65_535) throw incomplete('network.bulkListen', `there is no port after that of ${address}`);
      return `/tcp/${next}`;
    }),
  );
}

function incomplete(key: ConfigKey, because: string): ConfigError {
  return new ConfigError(
    'CONFIG_BAD_VALUE',
    `${key} must be set (in the configuration file, or --${settingOf(key).flag}) because ${because}`,
    {
      details: { key },
    },
  );
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

function isHostAndPort(text: string): boolean {
  return /^[^/@?#]+:\d{1,5}$/.test(text) && URL.canParse(`http://${text}`);
}

function isHttpUrl(url: string): boolean {
  return URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The key with the smallest edit distance (Levenshtein, 1966). */
function nearest(word: string): ConfigKey {
  let best: ConfigKey = 'node.dataDirectory';
  let least = Infinity;
  for (const key of configKeys) {
    const distance = editDistance(word, key);
    if (distance < least) [best, least] = [key, distance];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next[j] = Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1);
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
