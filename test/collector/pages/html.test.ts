import { describe, expect, test } from 'vitest';
import { embedJson, html } from '#collector/pages/html.ts';

describe('the HTML template', () => {
  test('escapes every value, in elements and in quoted attributes', () => {
    const hostile = `"><script>alert('x')</script>&`;
    expect(html`<p title="${hostile}">${hostile}</p>`.text).toBe(
      '<p title="&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;">&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;</p>',
    );
  });

  test('escapes values inside lists, and keeps nested templates as they are', () => {
    const names = ['<b>', 'c'];
    expect(html`<ul>${names.map((name) => html`<li>${name}</li>`)}${names}</ul>`.text).toBe(
      '<ul><li>&lt;b&gt;</li><li>c</li>&lt;b&gt;c</ul>',
    );
  });

  test('an object that only looks like HTML is not taken for it', () => {
    const forged = JSON.parse('{"text":"<script>"}') as never;
    expect(html`${forged}`.text).not.toContain('<script>');
  });

  test('writes nothing for what is absent, and 0 as 0', () => {
    expect(html`[${null}${undefined}${false}${0}]`.text).toBe('[0]');
  });

  test('embedded JSON cannot end its element, and reads back the same', () => {
    const value = { name: '</script><script>alert(1)</script><!--', quote: '"' };
    const { text } = embedJson('data-x', value);
    expect(text.match(/<\/script>/g)).toHaveLength(1);
    const inner = text.replace(/^<script[^>]*>/, '').replace(/<\/script>$/, '');
    expect(JSON.parse(inner)).toEqual(value);
  });
});
