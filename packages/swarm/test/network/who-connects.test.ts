// Who gets in. Strangers here are as capable as they come: they speak the same protocols with the same libraries.
import { connect } from 'node:net';
import { noise } from '@chainsafe/libp2p-noise';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { identify } from '@libp2p/identify';
import type { Libp2p } from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { describe, expect, onTestFinished, test } from 'vitest';
import { systemRandom } from '@quarry/runtime';
import { createIdentity } from '../../src/network/identity.ts';
import type { Libp2pNetwork } from '../../src/network/libp2p-network.ts';
import { bytes, carriers, connected, disconnected, newClusterKey, text, until } from './nodes.ts';
import { startRawNode } from './raw-node.ts';

/** A libp2p node as anybody can make one. `prologueBytes` as guessed, if at all. */
async function startStranger(prologueBytes?: Uint8Array): Promise<Libp2p> {
  const stranger = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise(prologueBytes ? { prologueBytes } : {})],
    streamMuxers: [yamux()],
    services: { identify: identify() },
  });
  onTestFinished(async () => await stranger.stop());
  return stranger;
}

function address(node: Libp2pNetwork): string {
  return node.addresses()[0] ?? '';
}

describe.for(carriers)('over $name', ({ startNode, startPair }) => {
  describe('nodes with the same cluster key', () => {
    test('connect and answer each other', async () => {
      const [one, other] = await startPair();
      other.handle('/quarry/test/1', { maxRequestBytes: 10 }, async () => bytes('yes'));
      expect(text(await one.request(other.peerId, '/quarry/test/1', bytes('?'), { maxBytes: 10 }))).toBe('yes');
      expect(one.peers()).toEqual([other.peerId]);
      expect(other.peers()).toEqual([one.peerId]);
    });

    test('connect by an address that does not say who is there', async () => {
      const [one, other] = [await startNode(), await startNode()];
      const bare = address(other).replace(/\/p2p\/.*/, '');
      expect(await one.dialAddress(bare)).toBe(other.peerId);
    });
  });

  describe('a node with another cluster key', () => {
    test.for(['by peer', 'by address'] as const)(
      'can neither dial nor be dialled (%s), and is told why',
      async (how) => {
        const [one, foreign] = [await startNode(), await startNode({}, { clusterKey: newClusterKey() })];
        const dial = (from: Libp2pNetwork, to: Libp2pNetwork): Promise<unknown> =>
          how === 'by peer'
            ? from.dial(to.peerId, to.addresses())
            : from.dialAddress(address(to).replace(/\/p2p\/.*/, ''));
        for (const [from, to] of [
          [one, foreign],
          [foreign, one],
        ] as const) {
          const refused = to.traffic().refusedHandshakes;
          await expect(dial(from, to)).rejects.toMatchObject({ code: 'SWARM_OTHER_CLUSTER', canRetry: false });
          await until(() => to.traffic().refusedHandshakes === refused + 1);
          expect([from.peers(), to.peers()]).toEqual([[], []]);
        }
      },
    );
  });

  describe('a stranger without any key', () => {
    test.for([
      ['no prologue', undefined],
      ['an empty prologue', new Uint8Array(0)],
      ['a guessed prologue', new Uint8Array(32).fill(1)],
    ] as const)('with %s cannot connect, and cannot be connected to', async ([, prologueBytes]) => {
      const node = await startNode();
      const stranger = await startStranger(prologueBytes);
      node.handle('/quarry/test/1', { maxRequestBytes: 10 }, async () => bytes('secret'));
      await expect(stranger.dial(multiaddr(address(node)))).rejects.toThrow();
      await expect(stranger.dialProtocol(multiaddr(address(node)), '/quarry/test/1')).rejects.toThrow();
      const dial = node.dialAddress(String(stranger.getMultiaddrs()[0]));
      await expect(dial).rejects.toMatchObject({ code: 'SWARM_OTHER_CLUSTER' });
      expect(node.peers()).toEqual([]);
      expect(stranger.getConnections()).toEqual([]);
      expect(node.traffic()).toMatchObject({ receivedBytes: 0, sentBytes: 0 });
    });

    test('is offered no way around the handshake', async () => {
      const node = await startNode();
      const port = Number(/tcp\/(\d+)/.exec(address(node))?.[1]);
      const line = (protocol: string): Buffer =>
        Buffer.concat([Buffer.from([protocol.length + 1]), Buffer.from(`${protocol}\n`)]);
      const heard = await new Promise<string>((resolve, reject) => {
        const socket = connect(port, '127.0.0.1');
        const got: Buffer[] = [];
        const asks = [
          '/plaintext/2.0.0',
          '/tls/1.0.0',
          '/secio/1.0.0',
          '/yamux/1.0.0',
          '/quarry/test/1',
          '/ipfs/id/1.0.0',
          'ls',
        ];
        socket.on('data', (data: Buffer) => {
          got.push(data);
          // One answer for the multistream header and one for each thing asked.
          if (Buffer.concat(got).toString().split('\n').length > asks.length + 1) socket.destroy();
        });
        socket.on('close', () => resolve(Buffer.concat(got).toString()));
        socket.on('error', reject);
        socket.write(Buffer.concat(['/multistream/1.0.0', ...asks].map(line)));
      });
      const answers = heard
        .split('\n')
        .map((answer) => answer.slice(1))
        .filter((answer) => answer !== '');
      expect(answers).toEqual([
        '/multistream/1.0.0',
        'na',
        'na',
        'na',
        'na',
        'na',
        'na',
        expect.stringContaining('/noise'),
      ]);
      expect(answers.at(-1)?.match(/\/[a-z]+/g)).toEqual(['/noise']);
    });
  });

  describe('a peer', () => {
    test('that is not at the address where it was said to be is not taken for another', async () => {
      const [one, other] = [await startNode(), await startNode()];
      const absent = await createIdentity(systemRandom);
      const there = address(other).replace(other.peerId, absent.peerId);
      await expect(one.dialAddress(there)).rejects.toMatchObject({ code: 'SWARM_BAD_ADDRESS' });
      await expect(one.dial(absent.peerId, [address(other)])).rejects.toMatchObject({ code: 'SWARM_BAD_ADDRESS' });
      expect(one.peers()).toEqual([]);
    });

    test('that is hung up on may come back', async () => {
      const [one, other] = await startPair();
      const gone = [disconnected(one, other.peerId), disconnected(other, one.peerId)];
      other.hangUp(one.peerId);
      await Promise.all(gone);
      await one.dial(other.peerId, []);
      expect(one.peers()).toEqual([other.peerId]);
    });
  });

  test('a holder of the cluster key whose identity is not an Ed25519 key is not let in', async () => {
    const clusterKey = newClusterKey();
    const node = await startNode({}, { clusterKey });
    const odd = await startRawNode(clusterKey, await generateKeyPair('secp256k1'));
    await odd.libp2p.dial(multiaddr(address(node))).catch(() => undefined);
    await until(() => odd.libp2p.getConnections().length === 0);
    await expect(node.dialAddress(String(odd.libp2p.getMultiaddrs()[0]))).rejects.toMatchObject({
      code: 'SWARM_BAD_ADDRESS',
    });
    const bare = String(odd.libp2p.getMultiaddrs()[0]).replace(/\/p2p\/.*/, '');
    await expect(node.dialAddress(bare)).rejects.toMatchObject({ code: 'SWARM_UNREACHABLE' });
    expect(node.peers()).toEqual([]);
  });

  describe('a banned peer', () => {
    test('is cut off at once, and can neither come back nor be dialled', async () => {
      const [judge, liar] = await startPair();
      const gone = [disconnected(judge, liar.peerId), disconnected(liar, judge.peerId)];
      judge.ban(liar.peerId, 'sent a bad chunk');
      await Promise.all(gone);
      // Its dial comes as far as the proof of who it is, and is dropped there; it may take that for a connection until it hears.
      await liar.dial(judge.peerId, judge.addresses()).catch(() => undefined);
      await disconnected(liar, judge.peerId);
      expect(judge.peers()).toEqual([]);
      await expect(judge.dial(liar.peerId, liar.addresses())).rejects.toMatchObject({ code: 'SWARM_BANNED' });
      await expect(judge.request(liar.peerId, '/x', bytes(''), { maxBytes: 1 })).rejects.toMatchObject({
        code: 'SWARM_BANNED',
      });
      await expect(judge.dialAddress(address(liar).replace(/\/p2p\/.*/, ''))).rejects.toMatchObject({
        code: expect.stringMatching(/^SWARM_/),
      });
      expect(judge.peers()).toEqual([]);
      expect(judge.banned()).toEqual([liar.peerId]);
    });

    test('stays banned in the next run, when it is handed in again', async () => {
      const liar = await startNode();
      const judge = await startNode({ banned: [liar.peerId] });
      await liar.dial(judge.peerId, judge.addresses()).catch(() => undefined);
      await disconnected(liar, judge.peerId);
      expect(judge.peers()).toEqual([]);
      expect(judge.banned()).toEqual([liar.peerId]);
    });

    test('does not stop others', async () => {
      const [judge, liar] = await startPair();
      judge.ban(liar.peerId, 'sent a bad chunk');
      const other = await startNode();
      await other.dial(judge.peerId, judge.addresses());
      await connected(judge, other.peerId);
    });
  });

  describe('a node that does not dial', () => {
    test('accepts, answers and asks, but never dials', async () => {
      const seeder = await startNode({ dials: false, bootstrap: ['/ip4/127.0.0.1/tcp/1'] });
      const other = await startNode();
      await expect(seeder.dial(other.peerId, other.addresses())).rejects.toMatchObject({ code: 'SWARM_REFUSED' });
      await expect(seeder.dialAddress(address(other))).rejects.toMatchObject({ code: 'SWARM_REFUSED' });
      await other.dial(seeder.peerId, seeder.addresses());
      await connected(seeder, other.peerId);
      other.handle('/quarry/test/1', { maxRequestBytes: 10 }, async () => bytes('yes'));
      expect(text(await seeder.request(other.peerId, '/quarry/test/1', bytes('?'), { maxBytes: 10 }))).toBe('yes');
    });
  });

  describe('addresses', () => {
    test('that are announced take the place of those listened on', async () => {
      const node = await startNode({ announce: ['/ip4/192.0.2.7/tcp/4801'] });
      expect(node.addresses()).toEqual([`/ip4/192.0.2.7/tcp/4801/p2p/${node.peerId}`]);
    });

    test.for(['', 'host:4801', '/ip4/1.2.3.4', '/ip4/300.1.1.1/tcp/1', '/ip4/1.2.3.4/tcp/1/p2p/nobody'])(
      'like %j are refused',
      async (bad) => {
        const node = await startNode();
        await expect(node.dialAddress(bad)).rejects.toMatchObject({ code: 'SWARM_BAD_ADDRESS' });
        const peer = (await createIdentity(systemRandom)).peerId;
        await expect(node.dial(peer, [bad])).rejects.toMatchObject({ code: 'SWARM_BAD_ADDRESS' });
      },
    );

    test('that are taken are named, and nothing is left open', async () => {
      const node = await startNode();
      const taken = address(node).replace(/\/p2p\/.*/, '');
      await expect(startNode({ listen: [taken] })).rejects.toMatchObject({
        code: 'SWARM_BAD_ADDRESS',
        message: expect.stringContaining(taken),
      });
    });

    test('where nobody is give up in time', async () => {
      const node = await startNode();
      await expect(node.dialAddress('/ip4/127.0.0.1/tcp/1')).rejects.toMatchObject({
        code: 'SWARM_UNREACHABLE',
        canRetry: true,
      });
    });
  });

  test('options that do not exist are refused', async () => {
    await expect(startNode({ maxConnection: 5 } as object)).rejects.toThrow(/unknown network options: maxConnection/);
  });
});
