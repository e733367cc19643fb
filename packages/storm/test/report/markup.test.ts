import fc from 'fast-check';
import { expect, test } from 'vitest';
import { markup } from '../../src/report/drawing/markup.ts';

test('whatever is inserted cannot end an attribute or begin a tag', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('<', '>', '&', '"', "'", ';', '#', 'a', '/', '\u0000', '\ud800') }),
      (text) => {
        const { markup: made } = markup`${text}`;
        expect(made).not.toMatch(/[<>"']/);
        expect(made.replace(/&(amp|lt|gt|quot|#39);/g, '')).not.toContain('&');
      },
    ),
  );
});

test('escaped text reads as it was written', () => {
  const { markup: made } = markup`<p title="${'"a" & \'b\''}">${'<script>'}</p>`;
  expect(made).toBe('<p title="&quot;a&quot; &amp; &#39;b&#39;">&lt;script&gt;</p>');
});

test('markup inside of markup and lists of it stay as they are, and undefined is nothing', () => {
  expect(markup`<ul>${[1, 2].map((each) => markup`<li>${each}</li>`)}${undefined}</ul>`.markup).toBe(
    '<ul><li>1</li><li>2</li></ul>',
  );
});

test('characters that no XML can hold become replacement characters, so that an .svg stays readable', () => {
  expect(markup`${'a\u0000b\u001bc\ud800d'}`.markup).toBe('a\ufffdb\ufffdc\ufffdd');
});
