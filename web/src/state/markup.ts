// Reads a message as blocks: paragraphs, fenced code, quotes, lists. Pure; the view draws the nodes, and HTML is never made.
// A line that is no mark stays as it was written, also headings and tables: a message is no page.
import { readInline, type Inline } from './inline.ts';

/** A block of a message. */
export type Block =
  | { readonly is: 'text'; readonly of: readonly Inline[] }
  | { readonly is: 'code'; readonly text: string }
  | { readonly is: 'quote'; readonly of: readonly Block[] }
  | { readonly is: 'list'; readonly start?: number; readonly items: readonly (readonly Block[])[] };

/** Deeper quotes and lists are text. */
const deepest = 4;
const fence = /^ {0,3}(`{3,}|~{3,})[^`]*$/;
const bullet = /^( {0,3})(?:[-*+]|(\d{1,9})[.)])( {1,4})(?=\S)/;

/** Reads a message. An empty one has no blocks. */
export function readMarkup(body: string): readonly Block[] {
  return readBlocks(body.split(/\r\n?|\n/), 0);
}

function readBlocks(lines: readonly string[], depth: number): readonly Block[] {
  const blocks: Block[] = [];
  let text: string[] = [];
  const endText = () => {
    if (text.length > 0) blocks.push({ is: 'text', of: readInline(text.join('\n')) });
    text = [];
  };
  for (let at = 0; at < lines.length; ) {
    const line = lines[at] ?? '';
    const read = blockAt(lines, at, depth);
    if (read) {
      endText();
      blocks.push(read.block);
      at = read.next;
      continue;
    }
    if (line.trim() === '') endText();
    else text.push(line);
    at += 1;
  }
  endText();
  return blocks;
}

interface Read {
  readonly block: Block;
  readonly next: number;
}

function blockAt(lines: readonly string[], at: number, depth: number): Read | undefined {
  const line = lines[at] ?? '';
  const opened = fence.exec(line)?.[1];
  if (opened) return readCode(lines, at, opened);
  if (depth >= deepest) return undefined;
  if (isQuote(line)) return readQuote(lines, at, depth);
  return bullet.test(line) ? readList(lines, at, depth) : undefined;
}

/** Up to the same fence, or to the end when it was forgotten. */
function readCode(lines: readonly string[], at: number, opened: string): Read {
  let end = at + 1;
  while (end < lines.length && !isClosing(lines[end] ?? '', opened)) end += 1;
  return { block: { is: 'code', text: lines.slice(at + 1, end).join('\n') }, next: end + 1 };
}

function isClosing(line: string, opened: string): boolean {
  const found = line.trim();
  return found.length >= opened.length && found === opened.charAt(0).repeat(found.length);
}

/** '>' and a space, or alone: '>_<' is a face. */
function isQuote(line: string): boolean {
  return /^ {0,3}>(?: |$|>)/.test(line);
}

function readQuote(lines: readonly string[], at: number, depth: number): Read {
  let end = at;
  while (end < lines.length && isQuote(lines[end] ?? '')) end += 1;
  const inside = lines.slice(at, end).map((line) => line.replace(/^ {0,3}> ?/, ''));
  return { block: { is: 'quote', of: readBlocks(inside, depth + 1) }, next: end };
}

function readList(lines: readonly string[], at: number, depth: number): Read {
  const start = bullet.exec(lines[at] ?? '')?.[2];
  const items: (readonly Block[])[] = [];
  let next = at;
  for (;;) {
    const found = bullet.exec(lines[next] ?? '');
    if (!found || (found[2] === undefined) !== (start === undefined)) break;
    const { inside, end } = itemAt(lines, next, found);
    items.push(readBlocks(inside, depth + 1));
    next = end;
  }
  return { block: { is: 'list', start: start === undefined ? undefined : Number(start), items }, next };
}

/** The lines of an item: its own, and those below that stand further in. */
function itemAt(lines: readonly string[], at: number, found: RegExpExecArray): { inside: string[]; end: number } {
  const [mark, indent = ''] = found;
  const inside = [(lines[at] ?? '').slice(mark.length)];
  const deeper = ' '.repeat(indent.length + 2);
  let end = at + 1;
  while (end < lines.length && (lines[end] ?? '').startsWith(deeper)) {
    const line = lines[end] ?? '';
    inside.push(line.slice(Math.min(mark.length, line.search(/\S|$/))));
    end += 1;
  }
  return { inside, end };
}
