import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { configDocs } from '../../src/config/config-docs.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { configKeys, settingOf } from '../../src/config/settings.ts';

const directory = mkdtempSync(join(tmpdir(), 'quarry-config-'));
afterAll(() => rmSync(directory, { recursive: true }));

function fileWith(toml: string): string {
  const path = join(directory, 'quarry.toml');
  writeFileSync(path, toml);
  return path;
}

function errorOf(work: () => unknown): { code: string; message: string } {
  try {
    work();
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error('expected an error');
}

describe('configuration', () => {
  test('without file or flags gives the defaults, with paths below the data directory', () => {
    const config = loadConfig();
    expect(config.store.maxBytes).toBe(100 * 2 ** 30);
    expect(config.control.socket).toBe('/var/lib/quarry/control.sock');
    expect(config.network.clusterKeyFile).toBe('/var/lib/quarry/cluster.key');
  });

  test('accepts pieces one port higher than all else, or where it is told to', () => {
    const bulkListen = (listen: string, more: object = {}): readonly string[] =>
      loadConfig({ flags: { 'network.listen': listen, ...more } }).network.bulkListen;
    expect(loadConfig().network.bulkListen).toEqual(['/ip4/0.0.0.0/tcp/4748']);
    expect(bulkListen('/ip4/10.0.0.1/tcp/9,/ip6/::1/tcp/0')).toEqual(['/ip4/10.0.0.1/tcp/10', '/ip6/::1/tcp/0']);
    expect(bulkListen('', {})).toEqual([]);
    expect(bulkListen('/ip4/10.0.0.1/tcp/9', { 'network.bulkListen': '/ip4/10.1.0.1/tcp/7' })).toEqual([
      '/ip4/10.1.0.1/tcp/7',
    ]);
    const tooHigh = errorOf(() => bulkListen('/ip4/10.0.0.1/tcp/65535'));
    expect(tooHigh).toMatchObject({ code: 'CONFIG_BAD_VALUE', message: expect.stringContaining('network.bulkListen') });
  });

  test('takes units from the file, and a flag wins over it', () => {
    const file = fileWith('[store]\nmaxBytes = "2GiB"\n[limits]\nuploadBytesPerSecond = "1Gbit/s"\n');
    expect(loadConfig({ file }).store.maxBytes).toBe(2 * 2 ** 30);
    expect(loadConfig({ file }).limits.uploadBytesPerSecond).toBe(125e6);
    expect(loadConfig({ file, flags: { 'store.maxBytes': '3GiB' } }).store.maxBytes).toBe(3 * 2 ** 30);
  });

  test('refuses an unknown key, naming the file and the key that was meant', () => {
    const file = fileWith('[store]\nmaxByte = 5\n');
    const error = errorOf(() => loadConfig({ file }));
    expect(error.code).toBe('CONFIG_UNKNOWN_KEY');
    expect(error.message).toContain(file);
    expect(error.message).toContain('store.maxBytes');
  });

  test('refuses a known key in the wrong section, naming the right one', () => {
    const error = errorOf(() => loadConfig({ file: fileWith('[node]\nlisten = ["/ip4/0.0.0.0/tcp/1"]\n') }));
    expect(error.message).toContain('network.listen');
  });

  test('refuses a value of the wrong kind, saying what is wanted', () => {
    const error = errorOf(() => loadConfig({ file: fileWith('[store]\nmaxBytes = "much"\n') }));
    expect(error.code).toBe('CONFIG_BAD_VALUE');
    expect(error.message).toContain('a size such as');
    expect(errorOf(() => loadConfig({ flags: { 'log.level': 'loud' } })).message).toContain('--log-level');
  });

  test('refuses what is not TOML, and a file that is not there, by name', () => {
    expect(errorOf(() => loadConfig({ file: fileWith('[store\n') })).code).toBe('CONFIG_UNREADABLE');
    expect(errorOf(() => loadConfig({ file: '/nowhere/quarry.toml' })).message).toContain('/nowhere/quarry.toml');
  });

  test('refuses a half-configured origin with the reason', () => {
    expect(errorOf(() => loadConfig({ flags: { 'origin.kind': 'directory' } })).message).toContain('--origin-path');
    expect(
      errorOf(() => loadConfig({ flags: { 'origin.kind': 'glance', 'origin.url': 'not a url' } })).message,
    ).toContain('origin.url');
    expect(errorOf(() => loadConfig({ flags: { 'origin.path': '/images' } })).message).toContain('origin.kind');
  });

  test('refuses a façade without a Glance behind it, at no address, or with certificates that cannot be read', () => {
    const listen = { 'gateway.listen': '127.0.0.1:9292' };
    const glance = { 'gateway.glance': 'http://controller:9292' };
    expect(errorOf(() => loadConfig({ flags: listen })).message).toContain('--glance');
    const nowhere = errorOf(() => loadConfig({ flags: { 'gateway.listen': '9292', ...glance } }));
    expect(nowhere.message).toContain('host:port');
    const unread = errorOf(() => loadConfig({ flags: { ...listen, ...glance, 'gateway.caFile': '/nowhere.pem' } }));
    expect(unread.message).toContain('/nowhere.pem');
    const { gateway } = loadConfig({
      flags: { ...listen, 'origin.kind': 'glance', 'origin.url': 'https://glance.example' },
    });
    expect(gateway.glance).toBe('https://glance.example');
  });

  test('refuses memory in which not even a piece has room', () => {
    const error = errorOf(() => loadConfig({ flags: { 'limits.memoryBytes': '64KiB' } }));
    expect(error).toMatchObject({ code: 'CONFIG_BAD_VALUE', message: expect.stringContaining('4.00 MiB') as string });
  });

  test('shows every default in a form that it reads back', () => {
    for (const key of configKeys) {
      const setting = settingOf(key);
      const shown: unknown = JSON.parse(setting.kind.show(setting.default));
      expect(setting.kind.parse(shown), key).toEqual(setting.default);
    }
  });

  test('gives every flag one name', () => {
    const flags = configKeys.map((key) => settingOf(key).flag);
    expect(new Set(flags).size).toBe(flags.length);
  });

  test('is documented in docs/configuration.md as the table says', () => {
    const page = readFileSync(new URL('../../../../docs/configuration.md', import.meta.url), 'utf8');
    expect(page.trimEnd()).toBe(configDocs().trimEnd());
  });
});
