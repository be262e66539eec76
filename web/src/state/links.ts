// Finds web addresses in a message. Pure: the view makes text and link nodes of the parts, never HTML.

/** A stretch of text; with `href` it is a link that may be followed. */
export interface Part {
  text: string;
  href?: string;
}

const address = /\bhttps?:\/\/[^\s<>"]+/gi;
const trailing = /[.,;:!?'")\]}]+$/;

/** Splits a body into text and links. Only http and https become links. */
export function linkParts(body: string): Part[] {
  const parts: Part[] = [];
  let from = 0;
  for (const match of body.matchAll(address)) {
    const text = trim(match[0]);
    const href = safe(text);
    if (!href) continue;
    if (match.index > from) parts.push({ text: body.slice(from, match.index) });
    parts.push({ text, href });
    from = match.index + text.length;
  }
  if (from < body.length) parts.push({ text: body.slice(from) });
  return parts;
}

/** A closing bracket stays in the link when it was opened there. */
function trim(text: string): string {
  const tail = trailing.exec(text)?.[0] ?? '';
  if (!tail) return text;
  const bare = text.slice(0, -tail.length);
  return tail.startsWith(')') && bare.includes('(') && !bare.includes(')') ? `${bare})` : bare;
}

function safe(text: string): string | undefined {
  try {
    const url = new URL(text);
    return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : undefined;
  } catch {
    return undefined;
  }
}
