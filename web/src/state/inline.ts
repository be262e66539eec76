// Reads the marks inside a paragraph: bold, italic, strike, code, links, bare links. Pure, and linear in the length of the text,
// whatever stands in it. It makes nodes for the view and never HTML; what is no mark stays text as it was written.
import { linkTo } from './links.ts';

/** A piece of a paragraph. */
export type Inline =
  | { readonly is: 'text'; readonly text: string }
  | { readonly is: 'code'; readonly text: string }
  | { readonly is: 'link'; readonly href: string; readonly host?: string; readonly of: readonly Inline[] }
  | { readonly is: Style; readonly of: readonly Inline[] };

type Style = 'bold' | 'italic' | 'strike';

/** Deeper marks are text, so that nobody makes the page draw a thousand boxes in each other. */
const deepest = 8;
const styles: Readonly<Record<string, Style>> = { '**': 'bold', __: 'bold', '*': 'italic', _: 'italic', '~~': 'strike' };
const token = /\\[!-/:-@[-`{-~]|`+|\*\*?|__?|~~|\[|<?(?:https?:\/\/|mailto:)|[^\\`*_~[<hm]+|[^]/giy;
const bareEnd = /[\s<>"\u0000-\u0020\u007f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
const beginning = /^(?:https?:\/\/|mailto:)[^/]/i;
const trailing = /[.,;:!?'")\]}*_~]+$/;
const isWord = /[\p{L}\p{N}]/u;

interface Open {
  readonly mark: string;
  readonly of: Inline[];
}

/** Reads one paragraph. */
export function readInline(text: string): readonly Inline[] {
  return new Reader(text, true).read();
}

/** One pass over a text. */
class Reader {
  private at = 0;
  private readonly root: Inline[] = [];
  private readonly open: Open[] = [];
  /** Where runs of backticks of each length stand last, so that a run without a partner is not looked for twice. */
  private readonly lastRun = new Map<number, number>();
  private readonly lastBracket: number;

  constructor(
    private readonly text: string,
    private readonly hasLinks: boolean,
  ) {
    for (const { 0: run, index } of text.matchAll(/`+/g)) this.lastRun.set(run.length, index);
    this.lastBracket = text.lastIndexOf('](');
  }

  read(): readonly Inline[] {
    while (this.at < this.text.length) {
      token.lastIndex = this.at;
      const piece = token.exec(this.text)?.[0] ?? this.text.charAt(this.at);
      this.step(piece);
    }
    while (this.open.length > 0) this.giveUp();
    return this.root;
  }

  private step(piece: string): void {
    const [head = ''] = piece;
    if (head === '\\' && piece.length === 2) return this.put(piece.slice(1), 2);
    if (head === '`') return this.code(piece);
    if (piece in styles) return this.mark(this.isClosingOne(piece) ? head : piece);
    if (head === '[') return this.link();
    if (/^<?(?:https?:|mailto:)/i.test(piece)) return this.bare(piece.startsWith('<'));
    this.put(piece, piece.length);
  }

  private get into(): Inline[] {
    return this.open.at(-1)?.of ?? this.root;
  }

  private put(text: string, length: number): void {
    append(this.into, text);
    this.at += length;
  }

  private code(run: string): void {
    const from = this.at + run.length;
    const end = (this.lastRun.get(run.length) ?? -1) >= from ? closingRun(this.text, run, from) : -1;
    if (end < 0) return this.put(run, run.length);
    const inside = this.text.slice(from, end);
    this.into.push({ is: 'code', text: /^ .*[^ ].* $/s.test(inside) ? inside.slice(1, -1) : inside });
    this.at = end + run.length;
  }

  /** In '***' at the end of bold italics the first star closes the italics. */
  private isClosingOne(piece: string): boolean {
    return piece.length === 2 && this.open.at(-1)?.mark === piece[0] && this.text[this.at + 2] === piece[0];
  }

  /** A mark closes what is open, or opens, or is text. A single one inside of a word is text: file_names, 2*3*4. */
  private mark(mark: string): void {
    const before = charBefore(this.text, this.at);
    const after = charAt(this.text, this.at + mark.length);
    const isLoose = mark === '**' || mark === '~~';
    const canClose = before !== '' && !/\s/.test(before) && (isLoose || !isWord.test(after));
    const canOpen = after !== '' && !/\s/.test(after) && (isLoose || !isWord.test(before));
    if (canClose && this.open.some((one) => one.mark === mark)) return this.close(mark);
    if (!canOpen || this.open.length >= deepest) return this.put(mark, mark.length);
    this.open.push({ mark, of: [] });
    this.at += mark.length;
  }

  private close(mark: string): void {
    while (this.open.at(-1)?.mark !== mark) this.giveUp();
    const one = this.open.pop();
    this.at += mark.length;
    const is = styles[mark];
    if (!one || !is) return;
    if (one.of.length > 0) this.into.push({ is, of: one.of });
    else append(this.into, mark + mark);
  }

  /** A mark that nothing closes is text. */
  private giveUp(): void {
    const one = this.open.pop();
    if (!one) return;
    append(this.into, one.mark);
    for (const piece of one.of) {
      if (piece.is === 'text') append(this.into, piece.text);
      else this.into.push(piece);
    }
  }

  /** `[words](address)`. */
  private link(): void {
    const found = this.hasLinks && this.at < this.lastBracket ? bracketed(this.text, this.at) : undefined;
    const link = found && linkTo(found.address, found.words);
    if (!found || !link) return this.put('[', 1);
    this.into.push({ is: 'link', ...link, of: new Reader(found.words, false).read() });
    this.at = found.end;
  }

  /** An address as it stands in the text, also in pointed brackets. */
  private bare(isBracketed: boolean): void {
    const from = this.at + Number(isBracketed);
    const address = addressAt(this.text, from);
    const closes = isBracketed && this.text[from + address.length] === '>';
    const isInWord = !isBracketed && isWord.test(charBefore(this.text, this.at));
    const isLink = this.hasLinks && !isInWord && (!isBracketed || closes) && beginning.test(address);
    const link = isLink ? linkTo(address, address) : undefined;
    if (!link) return this.put(this.text.charAt(this.at), 1);
    this.into.push({ is: 'link', ...link, of: [{ is: 'text', text: address }] });
    this.at = from + address.length + Number(closes);
  }
}

function append(into: Inline[], text: string): void {
  const last = into.at(-1);
  if (last?.is === 'text') into[into.length - 1] = { is: 'text', text: last.text + text };
  else into.push({ is: 'text', text });
}

function charBefore(text: string, at: number): string {
  const code = text.charCodeAt(at - 1);
  return code >= 0xdc00 && code <= 0xdfff ? text.slice(at - 2, at) : text.slice(Math.max(0, at - 1), at);
}

function charAt(text: string, at: number): string {
  const point = text.codePointAt(at);
  return point === undefined ? '' : String.fromCodePoint(point);
}

function closingRun(text: string, run: string, from: number): number {
  const runs = /`+/g;
  runs.lastIndex = from;
  for (let found = runs.exec(text); found; found = runs.exec(text)) if (found[0].length === run.length) return found.index;
  return -1;
}

/** Longest words and address of a link; what is longer is no link that a person wrote. */
const linkLength = 2_000;

function bracketed(text: string, at: number): { words: string; address: string; end: number } | undefined {
  const part = text.slice(at, at + 2 * linkLength);
  const found = /^\[([^[\]\n]{1,2000})\]\(<?([^\s<>()]{1,2000}(?:\([^\s<>()]*\)[^\s<>()]*)?)>?\)/.exec(part);
  const [whole = '', words = '', address = ''] = found ?? [];
  return found ? { words, address, end: at + whole.length } : undefined;
}

/** The address that begins here, without the marks of the sentence around it; a closing bracket stays when it was opened inside. */
function addressAt(text: string, from: number): string {
  bareEnd.lastIndex = from;
  const end = bareEnd.exec(text)?.index ?? text.length;
  const whole = text.slice(from, Math.min(end, from + linkLength));
  const tail = trailing.exec(whole)?.[0] ?? '';
  const bare = whole.slice(0, whole.length - tail.length);
  const isOpen = tail.startsWith(')') && bare.split('(').length > bare.split(')').length;
  return isOpen ? `${bare})` : bare;
}
