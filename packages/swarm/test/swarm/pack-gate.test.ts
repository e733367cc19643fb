import { domain, makePackProof, publicDomain } from '@quarry/content';
import { samplePack, unsalted } from '@quarry/content/conformance';
import { createMemoryPackStore } from '@quarry/content/memory';
import { expect, test } from 'vitest';
import type { PeerId } from '../../src/ports/network.ts';
import { createPackGate } from '../../src/transfer/pack-gate.ts';

const [self, friend, other] = ['self', 'friend', 'other'] as [PeerId, PeerId, PeerId];
const everybodys = samplePack({ seed: 1, domain: publicDomain }).descriptor;
const ours = samplePack({ seed: 1, domain: domain('project:red') }).descriptor;
const also = samplePack({ seed: 2, domain: domain('project:red') }).descriptor;
const secretOf = ({ secret }: { readonly secret: Uint8Array | undefined }): Uint8Array => secret ?? new Uint8Array(0);
const proof = makePackProof(secretOf(ours), { asker: friend, server: self });

test('everybody may have a public pack, nobody an unknown one or a project’s of an older build', async () => {
  const store = createMemoryPackStore();
  const gate = createPackGate({ store, self });
  const closed = unsalted(ours);
  for (const descriptor of [everybodys, closed]) await store.addPack(descriptor);
  expect(gate.admits(everybodys.id, other, undefined)).toBe(true);
  for (const shown of [undefined, proof, new Uint8Array(32)]) {
    expect(gate.admits(ours.id, friend, shown)).toBe(false);
    expect(gate.admits(closed.id, friend, shown)).toBe(false);
  }
  const ofNothing = makePackProof(new Uint8Array(32), { asker: friend, server: self });
  expect(gate.admits(ours.id, friend, ofNothing)).toBe(false);
});

test('a proof that was good stays good for this peer and this pack, and for nobody and nothing else', async () => {
  const store = createMemoryPackStore();
  const gate = createPackGate({ store, self });
  for (const descriptor of [ours, also]) await store.addPack(descriptor);
  for (let turn = 0; turn < 3; turn += 1) {
    expect(gate.admits(ours.id, friend, proof)).toBe(true);
    expect(gate.admits(ours.id, other, proof)).toBe(false);
    expect(gate.admits(also.id, friend, proof)).toBe(false);
    expect(gate.admits(ours.id, friend, undefined)).toBe(false);
    if (turn === 1) gate.forget(friend);
  }
});

test('a pack that has gone is as unknown as any, but to whoever remembers whose it was and sees a proof', async () => {
  const store = createMemoryPackStore();
  const gate = createPackGate({ store, self });
  await store.addPack(ours);
  expect(gate.admits(ours.id, friend, proof)).toBe(true);
  const former = store.access(ours.id);
  await store.discard([ours.id]);
  expect(gate.admits(ours.id, friend, proof)).toBe(false);
  expect(gate.admits(ours.id, friend, proof, former)).toBe(true);
  expect(gate.admits(ours.id, other, proof, former)).toBe(false);
});
