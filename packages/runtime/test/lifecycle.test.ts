import { describe, expect, test } from 'vitest';
import { createLifecycle } from '../src/lifecycle.ts';

describe('a lifecycle', () => {
  test('closes what was opened last first, one after another', async () => {
    const lifecycle = createLifecycle();
    const seen: string[] = [];
    for (const name of ['store', 'swarm', 'server']) {
      lifecycle.onClose(name, async () => {
        seen.push(`${name} begins`);
        await Promise.resolve();
        seen.push(`${name} ends`);
      });
    }
    await lifecycle.close();
    expect(seen).toEqual(['server begins', 'server ends', 'swarm begins', 'swarm ends', 'store begins', 'store ends']);
  });

  test('aborts its signal before the first closer runs, with the reason given', async () => {
    const lifecycle = createLifecycle();
    let wasAborted: boolean | undefined;
    lifecycle.onClose('server', () => void (wasAborted = lifecycle.signal.aborted));
    expect(lifecycle.signal.aborted).toBe(false);
    await lifecycle.close(new Error('Ctrl-C'));
    expect(wasAborted).toBe(true);
    expect(lifecycle.signal.reason).toMatchObject({ message: 'Ctrl-C' });
  });

  test('closes once, however often it is told to', async () => {
    const lifecycle = createLifecycle();
    let closed = 0;
    lifecycle.onClose('server', () => void (closed += 1));
    await Promise.all([lifecycle.close(), lifecycle.close()]);
    await lifecycle.close();
    expect(closed).toBe(1);
  });

  test('runs every closer although one fails, and names each that did', async () => {
    const lifecycle = createLifecycle();
    let closed = 0;
    lifecycle.onClose('store', () => void (closed += 1));
    lifecycle.onClose('swarm', () => Promise.reject(new Error('socket stuck')));
    lifecycle.onClose('server', () => {
      throw new Error('port stuck');
    });
    const failure: unknown = await lifecycle.close().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(AggregateError);
    expect(failure).toMatchObject({
      message: 'closing server failed; closing swarm failed',
      errors: [{ cause: { message: 'port stuck' } }, { cause: { message: 'socket stuck' } }],
    });
    expect(closed).toBe(1);
  });

  test('closes what is opened while it is closing, before `close` resolves', async () => {
    const lifecycle = createLifecycle();
    const seen: string[] = [];
    lifecycle.onClose('store', () => void seen.push('store'));
    lifecycle.onClose('server', async () => {
      await Promise.resolve();
      lifecycle.onClose('late connection', () => void seen.push('late connection'));
    });
    await lifecycle.close();
    expect(seen).toEqual(['late connection', 'store']);
  });

  test('closes what the listeners of its signal open, with the rest', async () => {
    const lifecycle = createLifecycle();
    const seen: string[] = [];
    lifecycle.onClose('store', () => void seen.push('store'));
    lifecycle.signal.addEventListener('abort', () => lifecycle.onClose('log', () => void seen.push('log')));
    await lifecycle.close();
    expect(seen).toEqual(['log', 'store']);
  });

  test('closes once although a listener of its signal closes it too', async () => {
    const lifecycle = createLifecycle();
    let closed = 0;
    lifecycle.onClose('store', () => void (closed += 1));
    let inner: Promise<void> | undefined;
    lifecycle.signal.addEventListener('abort', () => void (inner = lifecycle.close()));
    const outer = lifecycle.close();
    expect(inner).toBe(outer);
    await outer;
    expect(closed).toBe(1);
  });

  test('closes at once what is opened after it has closed, although closing had failed', async () => {
    const lifecycle = createLifecycle();
    lifecycle.onClose('server', () => Promise.reject(new Error('stuck')));
    await expect(lifecycle.close()).rejects.toThrow('closing server failed');
    let isClosed = false;
    lifecycle.onClose('late', () => void (isClosed = true));
    expect(isClosed).toBe(true);
    await expect(lifecycle.close()).rejects.toThrow('closing server failed');
  });

  test('tells of a late closer that fails when it is closed again, and not as an unhandled rejection', async () => {
    const lifecycle = createLifecycle();
    await lifecycle.close();
    lifecycle.onClose('late', () => Promise.reject(new Error('stuck')));
    await new Promise((resolve) => setImmediate(resolve)); // vitest fails the run if the rejection was not handled
    await expect(lifecycle.close()).rejects.toThrow('closing late failed');
  });
});
