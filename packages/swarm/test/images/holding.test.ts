// Asking a member to keep an image, so that it survives its maker.
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { HoldRequest } from '../../src/images/holding.ts';
import { decodeHoldReply, encodeHoldMessage } from '../../src/protocol/hold.ts';
import type { HoldState } from '../../src/protocol/hold.ts';
import { protocols } from '../../src/protocol/protocol-names.ts';
import { createPrivateWorld, imageOf, recordOf } from './private-world.ts';
import type { MemberNode, PrivateWorld } from './private-world.ts';

vi.setConfig({ testTimeout: 60_000 });

let world: PrivateWorld;
afterEach(() => world.close());

const image = imageOf('ad2c4c5e-0000-4000-8000-000000000001');
const other = imageOf('ad2c4c5e-0000-4000-8000-000000000002', { chunks: 2 });

interface HoldWorld {
  readonly maker: MemberNode;
  readonly holder: MemberNode;
  readonly curious: MemberNode;
  readonly asked: HoldRequest[];
  readonly states: HoldState[];
}

async function start(seed: number): Promise<HoldWorld> {
  world = createPrivateWorld(seed);
  const asked: HoldRequest[] = [];
  const states: HoldState[] = [];
  const maker = await world.add({ options: { zone: 'a' } });
  const holder = await world.add({
    bootstrap: [maker],
    options: {
      zone: 'b',
      onHold: (request) => {
        asked.push(request);
        return asked.length > 1 ? { kind: 'refused', reason: 'no room\nfor more' } : { kind: 'accepted' };
      },
      holdState: async () => states.shift(),
    },
  });
  const curious = await world.add({ bootstrap: [maker] });
  await world.clock.advance(4000);
  return { maker, holder, curious, asked, states };
}

describe('a member that is asked to hold an image', () => {
  test('is found by its zone, gets record and manifest, and says how far it is', async () => {
    const { maker, asked, states } = await start(80);
    const target = maker.swarm.members().find(({ zone }) => zone === 'b');
    if (!target) throw new TypeError('the holder is a member');
    expect(target).toMatchObject({ role: 'node', isConnected: true });
    const record = await recordOf(image, maker.signer);
    const { manifest } = image;
    expect(await world.until(maker.swarm.askToHold(target.peer, { record, manifest, withChunks: true }), 5000)).toEqual(
      {
        kind: 'accepted',
      },
    );
    expect(asked).toEqual([{ record, manifest, withChunks: true, from: maker.peer }]);
    states.push(
      { kind: 'fetching', wantedBytes: 65_536, presentBytes: 5 },
      { kind: 'complete', wantedBytes: 9, presentBytes: 9 },
    );
    const status = (): Promise<HoldState | undefined> =>
      world.until(maker.swarm.holdStatus(target.peer, manifest.id), 5000);
    expect(await status()).toEqual({ kind: 'fetching', wantedBytes: 65_536, presentBytes: 5 });
    expect(await status()).toEqual({ kind: 'complete', wantedBytes: 9, presentBytes: 9 });
    expect(await status()).toBeUndefined();
  });

  test('may refuse, with a reason that fits one line', async () => {
    const { maker, holder, curious } = await start(81);
    const [first, second] = [await recordOf(image, maker.signer), await recordOf(other, maker.signer)];
    await world.until(
      maker.swarm.askToHold(holder.peer, { record: first, manifest: image.manifest, withChunks: true }),
      5000,
    );
    expect(
      await world.until(
        maker.swarm.askToHold(holder.peer, { record: second, manifest: other.manifest, withChunks: true }),
        5000,
      ),
    ).toEqual({ kind: 'refused', reason: 'no room for more' });
    expect(await world.until(maker.swarm.holdStatus(holder.peer, other.manifest.id), 5000)).toBeUndefined();
    // Who has not been told what to do with it refuses.
    expect(
      await world.until(
        maker.swarm.askToHold(curious.peer, { record: first, manifest: image.manifest, withChunks: true }),
        5000,
      ),
    ).toMatchObject({ kind: 'refused' });
  });

  test('says to others the same of what it holds and of what it does not', async () => {
    const { maker, holder, curious, states } = await start(82);
    const record = await recordOf(image, maker.signer);
    await world.until(maker.swarm.askToHold(holder.peer, { record, manifest: image.manifest, withChunks: true }), 5000);
    states.push({ kind: 'fetching', wantedBytes: 1, presentBytes: 0 });
    const answers = await Promise.all(
      [image, other].map(({ manifest }) =>
        world.until(
          curious.network.request(
            holder.peer,
            protocols.hold,
            encodeHoldMessage({ kind: 'status', manifest: manifest.id }),
            { maxBytes: 1000 },
          ),
          5000,
        ),
      ),
    );
    expect(answers[0]).toEqual(answers[1]);
    expect(decodeHoldReply(answers[0] as Uint8Array)).toEqual({ kind: 'absent' });
    expect(states).toHaveLength(1); // nobody was asked
  });

  test('does not take what is not signed, not of the manifest, or gone', async () => {
    const { maker, holder, asked } = await start(83);
    const record = await recordOf(image, maker.signer);
    const ask = (of: typeof record, manifest = image.manifest): Promise<unknown> =>
      world.until(maker.swarm.askToHold(holder.peer, { record: of, manifest, withChunks: true }), 5000);
    await expect(ask({ ...record, publishedAtMs: 5 })).rejects.toMatchObject({ code: 'SWARM_UNREACHABLE' });
    await expect(ask(record, other.manifest)).rejects.toMatchObject({ code: 'SWARM_UNREACHABLE' });
    const wrong = await recordOf({ ...image, key: other.key }, maker.signer);
    expect(await ask(wrong)).toMatchObject({ kind: 'refused' });
    await world.until(maker.swarm.withdraw(image.key), 1000);
    await world.clock.advance(500);
    expect(await ask(record)).toMatchObject({ kind: 'refused', reason: expect.stringContaining('withdrawn') });
    expect(asked).toEqual([]);
  });

  test('that has died or is unknown is an error, not an answer', async () => {
    const { maker, holder } = await start(84);
    const record = await recordOf(image, maker.signer);
    world.hub.kill(holder.peer);
    await expect(
      world.until(maker.swarm.askToHold(holder.peer, { record, manifest: image.manifest, withChunks: true }), 5000),
    ).rejects.toMatchObject({ code: 'SWARM_UNREACHABLE' });
    world.hub.stall(maker.peer);
    const leaving = new AbortController();
    const asking = maker.swarm.holdStatus(holder.peer, image.manifest.id, { signal: leaving.signal });
    leaving.abort(new Error('enough'));
    await expect(asking).rejects.toThrow();
  });
});
