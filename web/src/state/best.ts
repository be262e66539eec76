// Which rooms are meant by what somebody typed: the name in full, then how it begins, then how a word of it begins, then
// any part of it. Among equals the order stays, which is that of the latest activity. Pure.

/** The rooms whose title fits, the best first; `wanted` is in small letters. */
export function best<R extends { readonly title: string }>(rooms: readonly R[], wanted: string): R[] {
  const ranks: R[][] = [[], [], [], []];
  for (const room of rooms) ranks[rank(room.title.toLocaleLowerCase(), wanted)]?.push(room);
  return ranks.flat();
}

function rank(title: string, wanted: string): number {
  if (title === wanted) return 0;
  const at = title.indexOf(wanted);
  if (at <= 0) return at === 0 ? 1 : -1;
  return /[\p{L}\p{N}]/u.test(title[at - 1] ?? '') ? 3 : 2;
}
