// How a person or a room is drawn without a picture: initials and one of eight hues. Pure; used by every avatar.

const segments = typeof Intl !== 'undefined' && 'Segmenter' in Intl ? new Intl.Segmenter() : undefined;

function letters(text: string): string[] {
  return segments ? Array.from(segments.segment(text), (part) => part.segment) : Array.from(text);
}

/** The first two letters of a name, as it is written: 'Mina' is 'Mi', '2.4' stays whole, nothing is '?'. */
export function initials(name: string, count = 2): string {
  const word = name.trim().split(/\s+/)[0] ?? '';
  const all = letters(word);
  if (all.length === 0) return '?';
  if (count > 1 && all.length === 3 && /^\d/.test(word)) return word;
  const [head = '?', ...rest] = all;
  return head.toLocaleUpperCase() + rest.slice(0, count - 1).join('');
}

/** One of the eight hues, 1 to 8, by a hash of the person's id, so that it is the same on every device. */
export function hue(id: string): number {
  let hash = 2166136261;
  for (let i = 0; i < id.length; i += 1) hash = Math.imul(hash ^ id.charCodeAt(i), 16777619);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 29) + 1;
}
