// Run by make-images.test.ts: a process that is killed in the midst of making images.
import { makeImages } from '../../src/demo/make-images.ts';

await makeImages({
  dir: process.argv[2] ?? '',
  seed: 3,
  baseBytes: 16 * 1024 * 1024,
  snapshots: 2,
  onProgress: ({ doneBytes, totalBytes }) => {
    if (doneBytes > totalBytes / 2) process.kill(process.pid, 'SIGKILL');
  },
});
