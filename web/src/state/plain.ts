// A message in one line, for where it is only hinted at: a quote, the list of rooms. Pure; the whole message is drawn by Markup.
import type { Inline } from './inline.ts';
import { readMarkup, type Block } from './markup.ts';

/** More of a message is never seen in one line. */
const MOST = 200;

/** The beginning of a message without its marks; one that is nothing but marks stays as it was written. */
export function plainLine(body: string): string {
  const beginning = body.slice(0, MOST);
  const text = blocks(readMarkup(beginning)).replace(/\s+/g, ' ').trim();
  return text || beginning;
}

function blocks(all: readonly Block[]): string {
  return all.map(block).join(' ');
}

function block(one: Block): string {
  switch (one.is) {
    case 'text': return inlines(one.of);
    case 'code': return one.text;
    case 'quote': return blocks(one.of);
    case 'list': return one.items.map(blocks).join(' ');
  }
}

function inlines(all: readonly Inline[]): string {
  return all.map((one) => ('of' in one ? inlines(one.of) : one.text)).join('');
}
