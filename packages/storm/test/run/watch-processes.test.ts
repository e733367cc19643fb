import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { busyPercent, parseCpuTicks, readCpuTicks } from '../../src/run/machine.ts';
import { watchProcesses } from '../../src/run/watch-processes.ts';

/** Some tenths of a second of CPU. */
const burn = 'for ((i = 0; i < 200000; i++)); do :; done';
const TEST_MS = 30_000; // other tests may have the cores

test('CPU counts of what runs, of its children, and of what has come and gone; memory by host', {
  timeout: TEST_MS,
}, async () => {
  const script = `bash -c 'read line; ${burn}; echo done; sleep 1000' <&0 & wait`;
  const long = spawn('bash', ['-c', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true, // a group of its own, so that both can be ended
  });
  try {
    const watch = await watchProcesses(2, () => [{ pid: long.pid ?? -1, host: 1, name: 'long' }]);
    long.stdin.write('go\n');
    await once(long.stdout, 'data');
    const brief = spawn('bash', ['-c', burn], { stdio: 'ignore' });
    await once(brief, 'exit');
    await watch.look();
    const { cpuSeconds, hosts } = await watch.costs();
    expect(hosts[0]).toEqual({ cpuSeconds: 0, peakRssMiB: 0, pssMiB: 0 });
    expect(hosts[1]?.cpuSeconds).toBeGreaterThan(0.1);
    expect(cpuSeconds).toBeGreaterThan((hosts[1]?.cpuSeconds ?? 0) + 0.1);
    expect(hosts[1]?.pssMiB).toBeGreaterThan(0.1);
    expect(hosts[1]?.peakRssMiB).toBeGreaterThan(1);
  } finally {
    process.kill(-(long.pid ?? Number.NaN), 'SIGKILL');
    await once(long, 'close');
  }
});

test('waiting for a disk is idle time, and time stolen by a hypervisor is not', () => {
  expect(parseCpuTicks('cpu  100 1 20 800 50 3 4 5 0 0\ncpu0 1 2 3\n')).toEqual({ busy: 183, idle: 800 });
  expect(busyPercent({ busy: 0, idle: 0 }, { busy: 25, idle: 75 })).toBe(25);
  expect(busyPercent({ busy: 5, idle: 5 }, { busy: 5, idle: 5 })).toBe(0);
});

test('this machine’s readings grow', async () => {
  const { busy, idle } = await readCpuTicks();
  expect(busy).toBeGreaterThan(0);
  expect(idle).toBeGreaterThan(0);
});
