import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { reply, startScriptedGlance, type ScriptedGlance } from './support/scripted-glance.ts';
import { ask, startGateway, type TestGateway } from './support/start-gateway.ts';

const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

async function start(
  options: Parameters<typeof startGateway>[1] = {},
): Promise<{ readonly glance: ScriptedGlance; readonly gateway: TestGateway }> {
  const glance = await startScriptedGlance((request) => reply(request, '200 OK', [['Content-Type', 'x']], 'ok'));
  open.push(glance);
  const gateway = await startGateway(glance.url, options);
  open.push(gateway);
  return { glance, gateway };
}

describe('the gateway', () => {
  it('listens at several addresses', async () => {
    const { gateway } = await start();
    const { host, port } = await gateway.gateway.listen({ host: '127.0.0.1', port: 0 });
    for (const url of [gateway.url, `http://${host}:${port}`]) expect((await ask(url, '/')).status).toBe(200);
  });

  it('says which address it cannot have', async () => {
    const { gateway } = await start();
    await expect(gateway.gateway.listen({ host: '127.0.0.1', port: gateway.port })).rejects.toMatchObject({
      code: 'GATEWAY_BAD_ADDRESS',
      message: expect.stringContaining(`127.0.0.1:${gateway.port}`),
    });
  });

  it('turns away who comes when there are as many connections as there may be', async () => {
    const { gateway } = await start({ maxConnections: 1 });
    const first = connect(gateway.port, '127.0.0.1');
    first.write('GET / HTTP/1.1\r\nHost: g\r\n\r\n');
    await once(first, 'data');
    await expect(ask(gateway.url, '/')).rejects.toMatchObject({ code: 'ECONNRESET' });
    first.destroy();
  });

  it('counts every answer by what was asked', async () => {
    const { gateway } = await start();
    const id = '7f2f0b1c-5d41-4f5c-9a51-0d9a6a9d1b2e';
    await ask(gateway.url, '/versions');
    await ask(gateway.url, `/v2/images/${id}`);
    expect(gateway.answered).toEqual([
      { route: 'other', status: 200 },
      { route: 'show', status: 200 },
    ]);
  });

  it('closes twice as once, and kept connections with it', async () => {
    const { gateway } = await start();
    const kept = connect(gateway.port, '127.0.0.1');
    kept.write('GET / HTTP/1.1\r\nHost: g\r\n\r\n');
    await once(kept, 'data');
    await Promise.all([gateway.gateway.close({ graceMs: 60_000 }), once(kept, 'close')]);
    await gateway.gateway.close({ graceMs: 60_000 });
  });
});
