// Which addresses a message may link to, and what a reader must know of them. Pure; used by the markup's reader.

/** An address that may be followed. */
export interface Link {
  readonly href: string;
  /** The host as the browser will ask for it, where the words of the link do not show it or show another one. */
  readonly host?: string;
}

const schemes = new Set(['http:', 'https:', 'mailto:']);
/** Marks that turn the direction of text or show nothing: with them, words can look like other words. */
const tricks = /[\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0]/;
const looksLikeHost = /[\p{L}\p{N}-]+\.\p{L}{2,}/u;

/** The link of an address under some words; undefined for what may not be followed. Only http, https and mailto may. */
export function linkTo(address: string, words: string): Link | undefined {
  const url = parse(address);
  if (!url || !schemes.has(url.protocol)) return undefined;
  if (url.protocol === 'mailto:') return mail(url, words);
  if (!url.hostname) return undefined;
  return shows(words, url) ? { href: url.href } : { href: url.href, host: url.host };
}

function parse(address: string): URL | undefined {
  // The browser drops tabs and newlines in an address, and with them what the reader saw.
  if (/[\s\u0000-\u001f\u007f]/.test(address)) return undefined;
  try {
    return new URL(address);
  } catch {
    return undefined;
  }
}

function mail(url: URL, words: string): Link {
  const to = url.pathname;
  const isPlain = !looksLikeHost.test(words) || words.replace(/^mailto:/i, '').toLowerCase() === decodeSafely(to).toLowerCase();
  return isPlain && !tricks.test(words) ? { href: url.href } : { href: url.href, host: to };
}

/** Whether the words say where the link leads, or say nothing of the sort at all. */
function shows(words: string, url: URL): boolean {
  if (tricks.test(words) || url.username || url.password) return false;
  const said = /^\s*(?:https?:\/\/)?([^/?#\s]+)/i.exec(words)?.[1]?.toLowerCase() ?? '';
  if (said === url.host || said === url.hostname) return true;
  return !looksLikeHost.test(words) && !url.hostname.includes('xn--');
}

function decodeSafely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
