// Where a search's words stand in a message, so that the view can mark them. Pure; it decides as the server's index does:
// capital letters and accents make no difference, operators are no words, and the last word may be unfinished.

/** A stretch of a message; `isHit` where a searched word stands. */
export interface Stretch {
  text: string;
  isHit: boolean;
}

/** Letters of scripts without spaces: what is searched for may stand anywhere in a run of them. */
const unspaced = '[\\p{scx=Han}\\p{scx=Hira}\\p{scx=Kana}\\p{scx=Hang}\\p{scx=Thai}\\p{scx=Laoo}\\p{scx=Khmr}\\p{scx=Mymr}]';
const letter = '[\\p{L}\\p{N}\\p{M}]';
const piece = new RegExp(`(?:(?=${letter})${unspaced}\\p{M}*)+|(?:(?!${unspaced})${letter})+`, 'gu');
const isRun = new RegExp(`^${unspaced}`, 'u');
const endsInWord = new RegExp(`${letter}$`, 'u');
/** A part of a query: an operator and its value, a quoted phrase, or words. */
const part = /(?:(from|in|before|after):)?(?:"([^"]*)"?|[^\s"]+)/gi;
/** An unfinished last word counts from so many letters on. */
const openFrom = 3;
/** A message is shown from so many letters before its first hit on. */
const before = 90;

const fold = (text: string) => text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();

/** The words to be marked; `isOpen` where they may go on. */
function wordsOf(query: string): { text: string; isOpen: boolean }[] {
  const found: { text: string; isOpen: boolean }[] = [];
  for (const { 0: all, 1: operator, 2: phrase, index } of query.matchAll(part)) {
    if (operator) continue;
    const text = phrase ?? all;
    const words = text.match(piece) ?? [];
    const isOpen = text.endsWith('*') || (index + all.length === query.length && endsInWord.test(all));
    words.forEach((word, at) => found.push({ text: fold(word), isOpen: isOpen && at === words.length - 1 && word.length >= openFrom }));
  }
  return found;
}

/** The message in stretches, hits apart; a long one begins shortly before its first hit. */
export function marked(body: string, query: string): Stretch[] {
  const words = wordsOf(query);
  const stretches: Stretch[] = [];
  let from = 0;
  const hit = (start: number, end: number) => {
    if (start < from || end <= start) return;
    if (start > from) stretches.push({ text: body.slice(from, start), isHit: false });
    stretches.push({ text: body.slice(start, end), isHit: true });
    from = end;
  };
  for (const { 0: text, index } of body.matchAll(piece)) {
    const folded = fold(text);
    if (!isRun.test(text)) {
      if (words.some((word) => word.text === folded || (word.isOpen && folded.startsWith(word.text)))) hit(index, index + text.length);
      continue;
    }
    // Without a mark to lose, a letter is where it was.
    for (const word of words) {
      const at = folded.length === text.length ? folded.indexOf(word.text) : -1;
      if (at >= 0) hit(index + at, index + at + word.text.length);
    }
  }
  if (from < body.length) stretches.push({ text: body.slice(from), isHit: false });
  return shortened(stretches);
}

function shortened(stretches: Stretch[]): Stretch[] {
  const [head, ...rest] = stretches;
  if (!head || head.isHit || rest.length === 0 || head.text.length <= before + 30) return stretches;
  const tail = head.text.slice(-before);
  return [{ text: `…${tail.slice(tail.search(/\s/) + 1)}`, isHit: false }, ...rest];
}
