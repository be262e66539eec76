// Where a search's words stand in a message, so that the view can mark them. Pure; it decides as the server's index does:
// capital letters and accents make no difference, and the last word may be unfinished.

/** A stretch of a message; `isHit` where a searched word stands. */
export interface Stretch {
  text: string;
  isHit: boolean;
}

const word = /[\p{L}\p{N}\p{M}]+/gu;
const endsInWord = /[\p{L}\p{N}\p{M}]$/u;
/** An unfinished last word counts from so many letters on. */
const openFrom = 3;
/** A message is shown from so many letters before its first hit on. */
const before = 90;

const fold = (text: string) => text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();

/** The message in stretches, hits apart; a long one begins shortly before its first hit. */
export function marked(body: string, query: string): Stretch[] {
  const words = (query.match(word) ?? []).map(fold);
  const last = words.at(-1) ?? '';
  const isOpen = endsInWord.test(query) && last.length >= openFrom;
  const isHit = (text: string) => {
    const folded = fold(text);
    return words.includes(folded) || (isOpen && folded.startsWith(last));
  };
  const stretches: Stretch[] = [];
  let from = 0;
  for (const match of body.matchAll(word)) {
    if (!isHit(match[0])) continue;
    if (match.index > from) stretches.push({ text: body.slice(from, match.index), isHit: false });
    stretches.push({ text: match[0], isHit: true });
    from = match.index + match[0].length;
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
