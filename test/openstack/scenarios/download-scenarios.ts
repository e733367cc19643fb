import { makeBytes } from './made-bytes.ts';
import type { Scenario, Stage } from './scenario.ts';
import { large, octets, small, withImage } from './with-image.ts';

const RANGES = [
  'bytes=0-99',
  `bytes=${large.length - 10}-`,
  'bytes=-10',
  `bytes=${large.length - 1}-${large.length - 1}`,
  `bytes=${large.length - 1000}-${large.length + 1000}`,
  `bytes=0-${large.length - 1}`,
  'bytes=0-',
  `bytes=-${large.length + 1}`,
  `bytes=${large.length}-`,
  `bytes=${large.length}-${large.length + 1}`,
  'bytes=0-9,20-29',
  'bytes=9-0',
  'bytes=-0',
  'bytes=-',
  'bytes=abc',
  'bytes=',
  'bytes',
  'items=0-9',
  'Bytes=0-9',
  'bytes = 0-9',
  'bytes=0 - 9',
  'bytes=+1-9',
  '',
];

async function eachHeader(stage: Stage, path: string, name: string, values: readonly string[]): Promise<void> {
  for (const value of values) await stage.call('GET', path, stage.alice, { headers: { [name]: value } });
}

export const downloadScenarios: readonly Scenario[] = [
  {
    title: 'a file with every kind of Range, before it was ever read as a whole and after',
    statuses:
      '206 206 206 206 206 206 206 206 416 416 400 416 206 500 416 416 416 416 206 206 206 416 416 200 200 206 206 206 206 206 206 206 206 416 416 400 416 206 500 416 416 416 416 206 206 206 416 416 206 206 416 200 200 200 200 206',
    async run(stage) {
      await withImage(stage, large, async (file) => {
        await eachHeader(stage, file, 'Range', RANGES);
        for (let i = 0; i < 2; i += 1) await stage.call('GET', file, stage.alice);
        await eachHeader(stage, file, 'Range', RANGES);
        await eachHeader(stage, file, 'Content-Range', ['bytes 0-9/*', `bytes 0-9/${large.length}`, 'bytes 0-9/1']);
        for (const name of ['If-None-Match', 'If-Match', 'If-Range', 'If-Modified-Since']) {
          await eachHeader(stage, file, name, ['"x"']);
        }
        await stage.call('GET', file, stage.alice, { headers: { range: 'bytes=0-9', 'if-range': '"x"' } });
      });
    },
  },
  {
    title: 'a small file, and one of no bytes',
    statuses: '200 206 416 400 200 200 416 416 400',
    async run(stage) {
      await withImage(stage, small, async (file) => {
        await stage.call('GET', file, stage.alice);
        await eachHeader(stage, file, 'Range', ['bytes=0-99', 'bytes=3000-', 'bytes=0-9,20-29']);
      });
      await withImage(stage, new Uint8Array(), async (file, image) => {
        await stage.call('GET', image, stage.alice);
        await stage.call('GET', file, stage.alice);
        await eachHeader(stage, file, 'Range', ['bytes=0-99', 'bytes=0-', 'bytes=0-9,20-29']);
      });
    },
  },
  {
    title: 'an image whose data was never sent',
    statuses: '200 204 500 400',
    async run(stage) {
      await withImage(stage, undefined, async (file, image) => {
        await stage.call('GET', image, stage.alice);
        await stage.call('GET', file, stage.alice);
        await eachHeader(stage, file, 'Range', ['bytes=0-99', 'bytes=0-9,20-29']);
      });
    },
  },
  {
    title: 'methods that Glance does not know of',
    statuses: '405 405 200 405 405 415 405 405 405 200 415 405 405',
    async run(stage) {
      await withImage(stage, large, async (file, image) => {
        for (const path of [file, image]) {
          for (const method of ['HEAD', 'POST', 'OPTIONS', 'PATCH', 'DELETE', 'PUT', 'TRACE']) {
            if (path === image && method === 'DELETE') continue;
            await stage.call(method, path, stage.alice);
          }
        }
      });
    },
  },
  {
    title: 'odd paths',
    statuses: '200 200 404 404 404 200 200 200 200 200 404 404 404 404 200 200 404 404 404 404 404 404 200 300 300 300',
    async run(stage) {
      await withImage(stage, large, async (file, image, id) => {
        const paths = [
          `${file}?x=y`,
          `${file}?`,
          `${file}/`,
          `${file}#x`,
          `${image}/`,
          `${image}?x=y`,
          `//v2/images/${id}/file`,
          `/v2//images/${id}/file`,
          `/v2/images//${id}/file`,
          `/v2/images/${id}//file`,
          `/v2/./images/${id}/file`,
          `/v2/x/../images/${id}/file`,
          `/v2/images/${id.toUpperCase()}/file`,
          `/v2/images/${id.toUpperCase()}`,
          `/v2/images/${id.replace('-', '%2d')}/file`,
          `/v2/images/${id}/%66ile`,
          `/v2/images/${id}/FILE`,
          `/v2/images/${id};x/file`,
          '/v2/images/granite',
          '/v2/images/granite/file',
          '/v2/images/%00/file',
          '/v2/images/..%2f/file',
          `/v2.15/images/${id}`,
          `/v1/images/${id}`,
          `/images/${id}/file`,
          `http://elsewhere.example${file}`,
        ];
        for (const path of paths) await stage.call('GET', path, stage.alice);
      });
    },
  },
  {
    title: 'a GET with a body',
    statuses: '400 200 400 200 400',
    async run(stage) {
      await withImage(stage, large, async (file, image) => {
        for (const path of [image, file]) {
          for (const length of ['1', '0']) {
            const headers = { ...octets, 'content-length': length };
            await stage.call('GET', path, stage.alice, { headers, body: 'x'.repeat(Number(length)) });
          }
        }
        await stage.call('DELETE', image, stage.alice, { headers: { 'content-length': '1' }, body: 'x' });
      });
    },
  },
  {
    title: 'a store that has lost its file',
    statuses: '200 204 204 416',
    async run(stage) {
      await withImage(stage, makeBytes('lost', large.length), async (file, image, id) => {
        await stage.loseFile(id);
        await stage.call('GET', image, stage.alice);
        await stage.call('GET', file, stage.alice);
        await eachHeader(stage, file, 'Range', ['bytes=0-99', `bytes=${large.length}-`]);
      });
    },
  },
];
