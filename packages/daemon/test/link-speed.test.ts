import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findLinkSpeed } from '../src/link-speed.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'quarry-link-'));
  mkdirSync(join(root, 'proc/net'), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true }));

const head = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n';
const route = (name: string, destination: string, metric: number, mask: string): string =>
  `${name}\t${destination}\t010200C0\t0003\t0\t0\t${metric}\t${mask}\t0\t0\t0   \n`;
function routes(...rows: string[]): void {
  writeFileSync(join(root, 'proc/net/route'), head + rows.join(''));
}
function speed(name: string, text: string): void {
  mkdirSync(join(root, 'sys/class/net', name), { recursive: true });
  writeFileSync(join(root, 'sys/class/net', name, 'speed'), text);
}

describe('the speed of the link', () => {
  test('is that of the default route’s interface, the one with the lowest metric', async () => {
    routes(
      route('eth9', '000200C0', 0, '00FFFFFF'),
      route('eth0', '00000000', 100, '00000000'),
      route('bond0', '00000000', 50, '00000000'),
    );
    speed('eth0', '1000\n');
    speed('bond0', '25000\n');
    speed('eth9', '10\n');
    expect(await findLinkSpeed(root)).toBe(25e9 / 8);
  });

  test('is found over IPv6 where there is no other default route', async () => {
    routes();
    const none = '0'.repeat(32);
    writeFileSync(
      join(root, 'proc/net/ipv6_route'),
      `${none} 00 ${none} 00 ${none} ffffffff 00000001 00000000 00200200 lo\n${none} 00 ${none} 00 fe80${'0'.repeat(28)} 00000400 00000003 00000000 00000003 eth1\n`,
    );
    speed('eth1', '10000');
    expect(await findLinkSpeed(root)).toBe(10e9 / 8);
  });

  test.each([['-1\n'], [''], ['unknown']])('is not known where the interface says %j', async (text) => {
    routes(route('eth0', '00000000', 0, '00000000'));
    speed('eth0', text);
    expect(await findLinkSpeed(root)).toBeUndefined();
  });

  test('is not known without a route, an interface, or Linux', async () => {
    expect(await findLinkSpeed(join(root, 'nowhere'))).toBeUndefined();
    routes(route('eth0', '000200C0', 0, '00FFFFFF'));
    expect(await findLinkSpeed(root)).toBeUndefined();
    routes(route('eth0', '00000000', 0, '00000000'));
    expect(await findLinkSpeed(root)).toBeUndefined();
  });
});
