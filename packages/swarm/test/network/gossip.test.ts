import { createVirtualClock } from '@quarry/runtime';
import { describe, expect, test } from 'vitest';
import { createGossipPenalties } from '../../src/network/gossip-penalties.ts';
import type { Libp2pNetwork } from '../../src/network/libp2p-network.ts';
import type { GossipMessage, GossipVerdict, PeerId } from '../../src/ports/network.ts';
import { bytes, connected, startNode, text, until } from './nodes.ts';

const TOPIC = 'quarry/test/1';

interface Listener {
  readonly node: Libp2pNetwork;
  readonly heard: string[];
  readonly authors: PeerId[];
}

async function startListener(validate: (message: GossipMessage) => GossipVerdict = () => 'accept'): Promise<Listener> {
  const listener: Listener = { node: await startNode(), heard: [], authors: [] };
  listener.node.subscribe(TOPIC, {
    validate,
    onMessage(message) {
      listener.heard.push(text(message.bytes));
      listener.authors.push(message.author);
    },
  });
  return listener;
}

async function link(one: Libp2pNetwork, other: Libp2pNetwork): Promise<void> {
  await one.dial(other.peerId, other.addresses());
  await connected(other, one.peerId);
}

/** Publishes `ready` until everybody has heard one: subscriptions travel after connecting, and nothing says when they have arrived. */
async function untilReady(publisher: Libp2pNetwork, listeners: readonly Listener[]): Promise<void> {
  for (let n = 0; listeners.some(({ heard }) => !heard.some((message) => message.startsWith('ready'))); n += 1) {
    await publisher.publish(TOPIC, bytes(`ready ${n}`));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const hears = (listener: Listener, message: string): boolean => listener.heard.includes(message);

describe('a message', () => {
  test('reaches all of seventeen nodes behind one address, once each, with its author', {
    timeout: 30_000,
  }, async () => {
    // By default gossipsub punishes more than ten neighbours at one address by the square of the excess: the first has sixteen here.
    const listeners: Listener[] = [];
    for (let i = 0; i < 17; i += 1) {
      const listener = await startListener();
      for (const other of [0, (i * 5) % 7, (i * 3) % 5].filter((at, nth, all) => at < i && all.indexOf(at) === nth)) {
        const { node } = listeners[other] ?? listener;
        await link(listener.node, node);
      }
      listeners.push(listener);
    }
    const [first] = listeners;
    const last = listeners.at(-1);
    if (!first || !last) throw new Error('there are seventeen');
    const others = listeners.slice(0, -1);
    await untilReady(last.node, others);
    // Scores are kept for a second: only after two heartbeats does everybody act on them.
    await new Promise((resolve) => setTimeout(resolve, 2_100));
    await last.node.publish(TOPIC, bytes('news'));
    await until(() => others.every((listener) => hears(listener, 'news')));
    for (const { heard, authors } of others) {
      expect(heard.filter((message) => message === 'news')).toHaveLength(1);
      expect(new Set(authors)).toEqual(new Set([last.node.peerId]));
    }
    expect(last.heard).toEqual([]);
  });

  test('may be published by a node that does not subscribe', async () => {
    const listener = await startListener();
    const publisher = await startNode();
    await link(publisher, listener.node);
    await untilReady(publisher, [listener]);
  });

  test('may be published when nobody is there', async () => {
    await (await startNode()).publish(TOPIC, bytes('into the void'));
  });

  test('that is too large is not published', async () => {
    const node = await startNode({ maxGossipBytes: 1000 });
    await expect(node.publish(TOPIC, new Uint8Array(1001))).rejects.toMatchObject({ code: 'SWARM_TOO_LARGE' });
  });

  test('that is larger than others take goes no further', async () => {
    const publisher = await startNode({ maxGossipBytes: 5000 });
    const listener = await startListener();
    const strict = await startNode({ maxGossipBytes: 1000 });
    const heard: number[] = [];
    strict.subscribe(TOPIC, { validate: () => 'accept', onMessage: (message) => heard.push(message.bytes.byteLength) });
    await link(publisher, strict);
    await link(strict, listener.node);
    await untilReady(publisher, [listener]);
    await publisher.publish(TOPIC, new Uint8Array(4000));
    await publisher.publish(TOPIC, bytes('small'));
    await until(() => hears(listener, 'small'));
    expect(heard.every((byteLength) => byteLength < 1000)).toBe(true);
    expect(listener.heard.every((message) => message.length < 1000)).toBe(true);
  });

  test.for(['reject', 'ignore'] as const)('is passed on only after its verdict: %s stops it', async (verdict) => {
    const publisher = await startNode();
    const judge = await startListener(({ bytes: message }) => (text(message) === 'bad' ? verdict : 'accept'));
    const behind = await startListener();
    await link(publisher, judge.node);
    await link(judge.node, behind.node);
    await untilReady(publisher, [judge, behind]);
    await publisher.publish(TOPIC, bytes('bad'));
    await publisher.publish(TOPIC, bytes('good'));
    await until(() => hears(judge, 'good') && hears(behind, 'good'));
    expect([...judge.heard, ...behind.heard]).not.toContain('bad');
  });

  test('of a banned author is dropped, whoever passes it on', async () => {
    const liar = await startListener();
    const between = await startListener();
    const judge = await startListener();
    await link(liar.node, between.node);
    await link(between.node, judge.node);
    await untilReady(liar.node, [between, judge]);
    judge.node.ban(liar.node.peerId, 'sent a bad chunk');
    const before = judge.authors.length;
    await liar.node.publish(TOPIC, bytes('lie'));
    await until(() => hears(between, 'lie'));
    await between.node.publish(TOPIC, bytes('truth'));
    await until(() => hears(judge, 'truth'));
    expect(judge.heard).not.toContain('lie');
    expect(judge.authors.slice(before)).not.toContain(liar.node.peerId);
  });

  test('is heard by each of several subscribers on one node that accepts it, and passed on if one does', async () => {
    const publisher = await startNode();
    const between = await startListener(({ bytes: message }) => (text(message) === 'news' ? 'ignore' : 'accept'));
    const second: string[] = [];
    between.node.subscribe(TOPIC, {
      validate: () => 'accept',
      onMessage: (message) => second.push(text(message.bytes)),
    });
    const behind = await startListener();
    await link(publisher, between.node);
    await link(between.node, behind.node);
    await untilReady(publisher, [between, behind]);
    await publisher.publish(TOPIC, bytes('news'));
    await until(() => hears(behind, 'news'));
    expect(between.heard).not.toContain('news');
    expect(second.filter((message) => message === 'news')).toHaveLength(1);
  });

  test('is not heard any more after unsubscribing', async () => {
    const listener = await startListener();
    const publisher = await startListener();
    await link(publisher.node, listener.node);
    await untilReady(publisher.node, [listener]);
    const heard: string[] = [];
    const forget = publisher.node.subscribe('quarry/other/1', {
      validate: () => 'accept',
      onMessage: (message) => heard.push(text(message.bytes)),
    });
    forget();
    forget();
    const again = publisher.node.subscribe('quarry/other/1', { validate: () => 'accept', onMessage: () => {} });
    again();
    await listener.node.publish('quarry/other/1', bytes('psst'));
    await listener.node.publish(TOPIC, bytes('loud'));
    await until(() => hears(publisher, 'loud'));
    expect(heard).toEqual([]);
  });
});

describe('a neighbour that passes on what is rejected', () => {
  test('is not heard any more, while others are', async () => {
    const spammer = await startNode();
    const strict = await startListener(({ bytes: message }) =>
      text(message).startsWith('spam') ? 'reject' : 'accept',
    );
    const patient = await startListener();
    await link(spammer, strict.node);
    await link(spammer, patient.node);
    await untilReady(spammer, [strict, patient]);
    for (let n = 0; n < 20; n += 1) await spammer.publish(TOPIC, bytes(`spam ${n}`));
    await until(() => hears(patient, 'spam 19'));
    // The score is looked at once a second: from some message on, the strict one hears none of ten that the patient one hears.
    let unheard = 0;
    for (let n = 0; unheard < 10; n += 1) {
      await spammer.publish(TOPIC, bytes(`good ${n}`));
      await until(() => hears(patient, `good ${n}`));
      unheard = hears(strict, `good ${n}`) ? 0 : unheard + 1;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const other = await startNode();
    await link(other, strict.node);
    const before = strict.heard.length;
    for (let n = 0; strict.heard.length === before; n += 1) {
      await other.publish(TOPIC, bytes(`from another ${n}`));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  });

  test('is forgiven one, gossiped to no more after two, and not listened to after nine, until it fades', async () => {
    const clock = createVirtualClock();
    const penalties = createGossipPenalties(clock);
    const peer = 'someone' as PeerId;
    expect(penalties.scoreOf(peer)).toBe(0);
    penalties.add(peer);
    expect(penalties.scoreOf(peer)).toBe(-10);
    for (let n = 0; n < 8; n += 1) penalties.add(peer);
    expect(penalties.scoreOf(peer)).toBe(-90);
    await clock.advance(60_000);
    expect(penalties.scoreOf(peer)).toBe(-45);
    await clock.advance(600_000);
    expect(penalties.scoreOf(peer)).toBeGreaterThan(-0.1);
    expect(penalties.scoreOf('another' as PeerId)).toBe(0);
  });
});
