import { expect, test } from 'vitest';
import { readInline, type Inline } from '../src/state/inline.ts';
import { linkTo } from '../src/state/links.ts';
import { readMarkup, type Block } from '../src/state/markup.ts';

/** Nodes in a short form: b(bold) i(italic) s(strike) c(code) a(words|address|host). */
function inlines(of: readonly Inline[]): string {
  return of.map((piece) => {
    if (piece.is === 'text') return piece.text;
    if (piece.is === 'code') return `c(${piece.text})`;
    if (piece.is === 'link') return `a(${inlines(piece.of)}|${piece.href}${piece.host ? `|${piece.host}` : ''})`;
    return `${piece.is[0]}(${inlines(piece.of)})`;
  }).join('');
}

function blocks(of: readonly Block[]): string {
  return of.map((one) => {
    if (one.is === 'text') return `[${inlines(one.of)}]`;
    if (one.is === 'code') return `pre(${one.text})`;
    if (one.is === 'quote') return `quote(${blocks(one.of)})`;
    return `${one.start === undefined ? 'ul' : `ol${one.start}`}(${one.items.map(blocks).join(', ')})`;
  }).join(' ');
}

const inline = (text: string) => inlines(readInline(text));
const block = (text: string) => blocks(readMarkup(text));

test.each([
  ['**bold** and __bold__', 'b(bold) and b(bold)'],
  ['*italic* and _italic_', 'i(italic) and i(italic)'],
  ['~~gone~~', 's(gone)'],
  ['***both***', 'b(i(both))'],
  ['**bold with *italic* in it**', 'b(bold with i(italic) in it)'],
  ['`code with **stars**`', 'c(code with **stars**)'],
  ['`` a ` b ``', 'c(a ` b)'],
  ['中文**粗体**中文', '中文b(粗体)中文'],
])('%s is %s', (text, nodes) => {
  expect(inline(text)).toBe(nodes);
});

test.each([
  'a * b * c', '2*3*4', 'file_name_here', '**never closed', '* not italic*', '`never closed', '~one~', 'snake_case_ and _', '****',
  '** spaces **', '[words](no address)', '[words]()', '(a) [b] {c}', '¯\\\\_(ツ)_/¯'.replace('\\\\', '\\'), 'a ~~ b', '#channel', '| a | b |', '<b>bold</b>',
])('%s stays as it was written, but for a backslash before a mark', (text) => {
  expect(inline(text)).toBe(text.replace(/\\([_*])/g, '$1'));
});

test('a backslash takes the meaning from a mark', () => {
  expect(inline('\\*not italic\\* \\`no code\\` \\a')).toBe('*not italic* `no code` \\a');
});

test('marks that cross each other are text where they cross', () => {
  expect(inline('**a *b** c*')).toBe('b(a *b) c*');
});

test.each([
  ['see https://a.example/x, and http://b.example.', 'see a(https://a.example/x|https://a.example/x), and a(http://b.example|http://b.example/).'],
  ['(https://a.example/b)', '(a(https://a.example/b|https://a.example/b))'],
  ['https://a.example/wiki/Moor_(boat)', 'a(https://a.example/wiki/Moor_(boat)|https://a.example/wiki/Moor_(boat))'],
  ['<https://a.example/?q=1>', 'a(https://a.example/?q=1|https://a.example/?q=1)'],
  ['**https://a.example**', 'b(a(https://a.example|https://a.example/))'],
  ['[the **notes**](https://a.example/n)', 'a(the b(notes)|https://a.example/n)'],
  ['[write](mailto:ann@a.example)', 'a(write|mailto:ann@a.example)'],
  ['xhttps://a.example', 'xhttps://a.example'],
  ['https://', 'https://'],
])('%s links to %s', (text, nodes) => {
  expect(inline(text)).toBe(nodes);
});

test.each(['javascript:alert(1)', 'data:text/html,x', 'vbscript:x', 'file:///etc/passwd', 'blob:a.example/1', 'ftp://a.example', '/api', '#x', 'java\tscript:alert(1)'])(
  '%s is never a link', (address) => {
    expect(linkTo(address, 'words')).toBeUndefined();
    expect(inline(`[words](${address})`)).not.toMatch(/a\(/);
  },
);

test.each([
  ['docs', 'https://a.example', undefined],
  ['a.example', 'https://a.example/x', undefined],
  ['https://A.example', 'https://a.example/x', undefined],
  ['bank.example', 'https://evil.example', 'evil.example'],
  ['https://bank.example@evil.example', 'https://bank.example@evil.example', 'evil.example'],
  ['https://аррӏе.com', 'https://аррӏе.com', 'xn--80ak6aa92e.com'],
  ['my shop', 'https://аррӏе.com', 'xn--80ak6aa92e.com'],
  ['\u202Eelpmaxe.knab', 'https://evil.example', 'evil.example'],
  ['words', 'https://user:pass@a.example', 'a.example'],
  ['ann@a.example', 'mailto:ann@a.example', undefined],
  ['ann@a.example', 'mailto:eve@evil.example', 'eve@evil.example'],
])('the words %s for %s show the host %s', (words, address, host) => {
  expect(linkTo(address, words)?.host).toBe(host);
});

test.each([
  ['one\ntwo', '[one\ntwo]'],
  ['one\n\n\n\ntwo', '[one] [two]'],
  ['```\nlet x = **1**;\n\n  y\n```\nafter', 'pre(let x = **1**;\n\n  y) [after]'],
  ['```js\nnever closed', 'pre(never closed)'],
  ['````\n```\n````', 'pre(```)'],
  ['> said\n> before\nanswer', 'quote([said\nbefore]) [answer]'],
  ['> > deeper', 'quote(quote([deeper]))'],
  ['- one\n- two\n  - inner\n- three', 'ul([one], [two] ul([inner]), [three])'],
  ['3. three\n4. four', 'ol3([three], [four])'],
  ['- one\n1. other', 'ul([one]) ol1([other])'],
  ['-no list\n>_<\n1.5 metres', '[-no list\n>_<\n1.5 metres]'],
  ['# no heading', '[# no heading]'],
  ['', ''],
])('%j is read as %s', (text, nodes) => {
  expect(block(text)).toBe(nodes);
});

/** Doubling the text must not make it four times as slow. */
test.each(['*a ', '**', '`', '``` ', '[', '[a](', '_a_', '> ', '- ', '~~x', 'https://a.example/( ', '\\', 'h', '<https://', '![', '((((', '`a``b'])('64 kB of %j are read in a moment', (piece) => {
  const text = piece.repeat(Math.ceil(65_536 / piece.length));
  const began = performance.now();
  readMarkup(text);
  readMarkup(`${piece.repeat(50)}\n`.repeat(400));
  expect(performance.now() - began).toBeLessThan(3_000);
});
