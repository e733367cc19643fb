import { imageRef } from '@quarry/content';
import type { ImageCatalog, ImageRecord, ImageRef } from '@quarry/content';
import type { Cancellable, PurgeReport, PurgeRequest } from '../daemon.ts';
import { DaemonError } from '../daemon-error.ts';

export interface PurgeDeps {
  readonly catalog: ImageCatalog;
  /** Forgets an image on this host, and the packs that nothing else is made of. */
  readonly forget: (ref: ImageRef) => Promise<{ readonly packs: number; readonly bytes: number }>;
  /** Tells every member that the image is gone. */
  readonly withdraw: (record: ImageRecord) => Promise<void>;
}

/** @throws DaemonError DAEMON_BAD_REQUEST, DAEMON_IMAGE_NOT_FOUND where no record fits */
export async function purgeImages(
  { catalog, forget, withdraw }: PurgeDeps,
  { what, isClusterWide }: PurgeRequest,
  { signal }: Cancellable,
): Promise<PurgeReport> {
  const fits = fitsOf(what);
  const records: ImageRecord[] = [];
  for await (const record of catalog.listRecords({ signal })) if (fits(record)) records.push(record);
  if (records.length === 0 && what !== 'all')
    throw new DaemonError('DAEMON_IMAGE_NOT_FOUND', `this node knows no image of ${JSON.stringify(what)}`, {
      details: { what },
    });
  const images = [...new Set(records.map(({ ref }) => ref))];
  let packs = 0;
  let bytes = 0;
  for (const ref of images) {
    signal?.throwIfAborted();
    const gone = await forget(ref);
    packs += gone.packs;
    bytes += gone.bytes;
  }
  let told = 0; // after it is gone here: what is withdrawn this node forgets as well
  if (isClusterWide) {
    for (const record of records.filter(({ hash }) => hash !== undefined)) {
      await withdraw(record);
      told += 1;
    }
  }
  return { images, packs, bytes, told };
}

function fitsOf(what: string): (record: ImageRecord) => boolean {
  if (what === 'all') return () => true;
  if (what.startsWith('project:')) return ({ domain }) => domain === what;
  const ref = imageRef(what);
  return (record) => record.ref === ref;
}
