import { once } from 'node:events';
import { expect, it } from 'vitest';
import { findCommand } from '../../src/process/find-command.ts';
import { runToEnd } from '../../src/process/run-to-end.ts';
import { startProcess } from '../../src/process/start-process.ts';

it('runs a command to its end, before which another may be put', async ({ signal }) => {
  expect(await runToEnd(['echo', 'hello'], { signal })).toEqual({ stdout: 'hello\n', stderr: '' });
  expect((await runToEnd(['sh', '-c', 'echo $WHERE'], { signal, prefix: ['env', 'WHERE=here'] })).stdout).toBe(
    'here\n',
  );
});

it('tells how a command failed, in its own words, unless its exit code is fine', async ({ signal }) => {
  const command = ['sh', '-c', 'echo no luck >&2; exit 3'];
  await expect(runToEnd(command, { signal })).rejects.toThrow(/ended with 3: no luck/);
  expect((await runToEnd(command, { signal, fine: [3] })).stderr).toBe('no luck\n');
  await expect(runToEnd(['/no/such/command'], { signal })).rejects.toThrow(/ENOENT/);
});

it('kills a command with the signal, and rejects with its reason', async () => {
  const gone = new AbortController();
  const running = runToEnd(['sleep', '60'], { signal: gone.signal, onStart: () => gone.abort(new Error('enough')) });
  await expect(running).rejects.toThrow('enough');
});

it('says what a process said last when it ends by itself, and nothing when it is stopped', async ({ signal }) => {
  const failing = startProcess('the server', ['sh', '-c', 'echo cannot bind; exit 1'], { signal });
  await expect(failing.ended).rejects.toThrow(/the server ended with 1; its last words:\ncannot bind/);
  const stopped = startProcess('the server', ['sleep', '60'], { signal });
  await stopped.stop();
  await expect(stopped.ended).resolves.toBeUndefined();
  await expect(stopped.fails).rejects.toThrow('the server has ended');
});

it('speaks with a process line by line', async ({ signal }) => {
  const said = new EventTarget();
  const cat = startProcess('cat', ['cat'], {
    signal,
    onLine: (line) => said.dispatchEvent(new CustomEvent('line', { detail: line })),
  });
  const heard = once(said, 'line', { signal });
  cat.write('one line');
  const [event] = (await heard) as [CustomEvent<string>];
  expect(event.detail).toBe('one line');
  await cat.kill();
});

it('finds commands where they lie, and none that does not exist', () => {
  expect(findCommand('sh')).toMatch(/\/sh$/);
  expect(findCommand('no-such-command-anywhere')).toBeUndefined();
});
