import { afterEach, describe, expect, it } from 'vitest';
import { answerAsGlance, ID, imageFixture, patternBytes } from './support/glance-images.ts';
import { openBytes } from './support/memory-images.ts';
import { startScriptedGlance, type ScriptedGlance, type WireRequest } from './support/scripted-glance.ts';
import { ask, startGateway, type TestGateway } from './support/start-gateway.ts';

const FILE = `/v2/images/${ID}/file`;
const bytes = patternBytes(300_001);
const image = imageFixture(bytes);
const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

async function start(
  answer: (request: WireRequest) => void | Promise<void> = answerAsGlance(image),
  options: Parameters<typeof startGateway>[1] = {},
): Promise<{ readonly glance: ScriptedGlance; readonly gateway: TestGateway }> {
  const glance = await startScriptedGlance(answer);
  open.push(glance);
  const gateway = await startGateway(glance.url, options);
  open.push(gateway);
  return { glance, gateway };
}

describe('an image that Quarry knows', () => {
  it('is served without a byte of Glance, under the headers that Glance would have sent', async () => {
    const { glance, gateway } = await start();
    gateway.images.onOpen = async (_, options) => openBytes(bytes, options);
    const answer = await ask(gateway.url, FILE, { headers: { 'X-Auth-Token': 'secret' } });
    expect(answer.body.equals(bytes)).toBe(true);
    expect(answer.status).toBe(200);
    const names = answer.rawHeaders.filter((_, index) => index % 2 === 0);
    expect(names.slice(0, 5)).toEqual([
      'Content-Type',
      'Content-Md5',
      'Content-Length',
      'X-Openstack-Request-Id',
      'Date',
    ]);
    expect(answer.headers['content-type']).toBe('application/octet-stream');
    expect(glance.requests.map(({ target, headers }) => `${target} ${headers['range']}`)).toEqual([
      `/v2/images/${ID} undefined`,
      `${FILE} bytes=${bytes.length}-`,
    ]);
    expect(gateway.served).toMatchObject([
      { status: 200, served: 'quarry', sentBytes: bytes.length, reason: undefined },
    ]);
  });
});

describe('an image that nobody knows', () => {
  it('is passed on from Glance under the budget, and taken in as it passes', async () => {
    const { gateway } = await start();
    const answer = await ask(gateway.url, FILE);
    expect(answer.body.equals(bytes)).toBe(true);
    await gateway.images.taken[0]?.ended;
    expect(gateway.images.taken).toMatchObject([{ outcome: 'published' }]);
    expect(gateway.images.origin).toEqual({ held: 0, takenBytes: bytes.length });
    expect(gateway.served).toMatchObject([
      { served: 'passed', reason: 'unknown-image', bytesBySource: { origin: bytes.length } },
    ]);
  });
});
