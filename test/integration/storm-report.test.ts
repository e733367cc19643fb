// The report of a storm, looked at in a real browser: what cannot be read there is a fault, whatever the strings look like.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import axe from 'axe-core';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeReport } from '../../packages/storm/src/report/write-report.ts';
import { REPORT_SHAPES } from '../../packages/storm/test/support/report-shapes.ts';
import { CHROMIUM_LAUNCH, describeWithChromium } from '../browser/describe-with-chromium.ts';

interface Inspection {
  readonly scrollsSideways: boolean;
  readonly charts: readonly {
    readonly name: string;
    readonly description: string;
    readonly axisLabels: readonly string[];
  }[];
  readonly overlapping: readonly string[];
  readonly outside: readonly string[];
  /** Pixels. */
  readonly smallest: number | null;
  readonly faint: readonly string[];
  readonly faintShapes: readonly string[];
}

interface Violation {
  readonly id: string;
  readonly impact: string;
  readonly nodes: readonly { readonly html: string }[];
}

interface View {
  readonly scheme: 'light' | 'dark';
  readonly widthPx: number;
}

const LIGHT_WIDE: View = { scheme: 'light', widthPx: 1280 };
const DARK_WIDE: View = { scheme: 'dark', widthPx: 1280 };
const DARK_NARROW: View = { scheme: 'dark', widthPx: 360 };
const LIGHT_NARROW: View = { scheme: 'light', widthPx: 360 };
// As narrow as the wide drawings are shown.
const LIGHT_BETWEEN: View = { scheme: 'light', widthPx: 760 };
const VIEWS = [LIGHT_WIDE, DARK_WIDE, LIGHT_BETWEEN, LIGHT_NARROW, DARK_NARROW];

const SMALLEST_PX = 9;

describeWithChromium('the report of a storm', () => {
  let browser: Browser;
  let root: string;
  let inspector: string;

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'quarry-report-'));
    inspector = await readFile(new URL('../browser/inspect-page.js', import.meta.url), 'utf8');
    browser = await chromium.launch(CHROMIUM_LAUNCH);
  });
  afterAll(async () => {
    await browser?.close();
    if (root !== undefined) await rm(root, { recursive: true, force: true });
  });

  /** Opens a file, hands its page on, and holds it to what no page may do: complain, or ask for anything but itself. */
  async function open<T>(path: string, look: (page: Page) => Promise<T>): Promise<T> {
    const page = await browser.newPage();
    const url = pathToFileURL(path).href;
    const complaints: string[] = [];
    page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('request', (request) => {
      if (request.url() !== url) complaints.push(`asks for ${request.url()}`);
    });
    try {
      await page.goto(url);
      const found = await look(page);
      expect(complaints).toEqual([]);
      return found;
    } finally {
      await page.close();
    }
  }

  /** What `look` finds in each view, one after the other. */
  async function throughViews<T>(
    page: Page,
    views: readonly View[],
    look: (page: Page) => Promise<T>,
  ): Promise<readonly T[]> {
    const all: T[] = [];
    for (const { scheme, widthPx } of views) {
      await page.emulateMedia({ colorScheme: scheme });
      await page.setViewportSize({ width: widthPx, height: 800 });
      all.push(await look(page));
    }
    return all;
  }

  function inspect(page: Page): Promise<Inspection> {
    return page.evaluate<Inspection>(inspector);
  }

  function expectLegible(found: Inspection): void {
    expect(found).toMatchObject({ scrollsSideways: false, overlapping: [], outside: [], faint: [], faintShapes: [] });
    if (found.smallest !== null) expect(found.smallest).toBeGreaterThanOrEqual(SMALLEST_PX);
    for (const { name, description, axisLabels } of found.charts) {
      expect(name).not.toBe('');
      expect(description).not.toBe('');
      // Rows of dots have a number on one axis only: their rows are named.
      expect(axisLabels.length, name).toBeGreaterThanOrEqual(name.endsWith('per host') ? 1 : 2);
      for (const label of axisLabels) expect(label).toMatch(/ \([^)]+\)$/);
    }
  }

  test.for(Object.keys(REPORT_SHAPES))(
    'the page of “%s” is legible in light and dark, wide and narrow, and asks for nothing',
    async (shape, { signal }) => {
      const paths = await write(shape, signal);
      for (const found of await open(paths[0] ?? '', (page) => throughViews(page, VIEWS, inspect))) {
        expect(found.charts.length).toBe(paths.length - 1);
        expectLegible(found);
      }
    },
  );

  test.for(['six', 'morning', 'two hundred', 'failing'])(
    'each chart of “%s” is legible as a file of its own',
    async (shape, { signal }) => {
      const [, ...charts] = await write(shape, signal);
      for (const path of charts) {
        for (const found of await open(path, (page) => throughViews(page, [LIGHT_WIDE, DARK_WIDE], inspect))) {
          expect(found.charts.length, path).toBe(1);
          expectLegible(found);
        }
      }
    },
  );

  test.for(['six', 'failing', 'nobody'])('axe finds nothing against the page of “%s”', async (shape, { signal }) => {
    const [path = ''] = await write(shape, signal);
    const views = await open(path, (page) =>
      throughViews(page, [LIGHT_WIDE, DARK_NARROW], () =>
        page.evaluate<readonly Violation[]>(`${axe.source};axe.run({preload:false}).then(({violations})=>violations)`),
      ),
    );
    for (const violations of views) {
      expect(violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes[0]?.html}`)).toEqual([]);
    }
  });

  test('what a record says is text and never markup', async ({ signal }) => {
    const evil = '"><script>document.title="taken"</script><img src="http://127.0.0.1:1/x">';
    const record = REPORT_SHAPES.alone;
    if (record === undefined) throw new TypeError('There is no such shape.');
    const directory = join(root, 'evil');
    const paths = await writeReport(
      {
        ...record,
        scenario: evil,
        about: evil,
        commit: evil,
        command: evil,
        contestants: record.contestants.map((contestant) => ({
          ...contestant,
          name: evil,
          about: evil,
          notes: [evil],
          criticalPath: [evil],
          whyNot: evil,
          hosts: contestant.hosts.map((host) => ({ ...host, name: evil })),
        })),
      },
      directory,
      { signal },
    );
    for (const path of paths) {
      expect(path.startsWith(`${directory}/`)).toBe(true);
      const title = await open(path, (page) => page.evaluate<string>('document.title'));
      expect(title).not.toBe('taken');
    }
    expect(
      await open(paths[0] ?? '', (page) => page.evaluate<number>("document.querySelectorAll('script, img').length")),
    ).toBe(0);
  });

  test('every host’s figures unfold into tables that scroll in their own box', async ({ signal }) => {
    const [path = ''] = await write('two hundred', signal);
    const views = await open(path, async (page) => {
      await page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true");
      return throughViews(page, [LIGHT_NARROW], inspect);
    });
    for (const found of views) expectLegible(found);
  });

  async function write(shape: string, signal: AbortSignal): Promise<readonly string[]> {
    const record = REPORT_SHAPES[shape];
    if (record === undefined) throw new TypeError(`There is no shape called ${shape}.`);
    return await writeReport(record, join(root, shape), { signal });
  }
});
