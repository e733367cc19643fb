import { describe } from 'vitest';
import { discardingLaws } from './pack-store/discarding-laws.ts';
import { droppingLaws } from './pack-store/dropping-laws.ts';
import { evictingLaws } from './pack-store/evicting-laws.ts';
import { findingLaws } from './pack-store/finding-laws.ts';
import { readingLaws } from './pack-store/reading-laws.ts';
import { reopeningLaws } from './pack-store/reopening-laws.ts';
import { stagingFramesLaws } from './pack-store/staging-frames-laws.ts';
import { stagingLaws } from './pack-store/staging-laws.ts';
import { stateLaws } from './pack-store/state-laws.ts';
import { framingLaws } from './pack-store/framing-laws.ts';
import { lendingLaws } from './pack-store/lending-laws.ts';
import { lawsOf } from './pack-store/subject.ts';
import type { PackStoreHarness } from './pack-store/subject.ts';
import { writingLaws } from './pack-store/writing-laws.ts';

/** The laws of the PackStore port, each a test. An implementation passes them or is none. */
export function packStoreSuite(name: string, harness: PackStoreHarness): void {
  describe(name, () => {
    const laws = lawsOf(harness);
    describe('its states', () => stateLaws(laws));
    describe('writing', () => writingLaws(laws));
    describe('reading', () => readingLaws(laws));
    describe('pieces as frames', () => framingLaws(laws, harness));
    describe('lending', () => lendingLaws(laws));
    describe('finding', () => findingLaws(laws));
    describe('staging', () => stagingLaws(laws));
    describe('staging frames', () => stagingFramesLaws(laws, harness));
    describe('keeping and evicting', () => evictingLaws(laws));
    describe('discarding', () => discardingLaws(laws, harness));
    describe('dropping and verifying', () => droppingLaws(laws, harness));
    if (harness.capabilities.isDurable) describe('reopening', () => reopeningLaws(laws));
  });
}
