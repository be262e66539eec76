// Turns the page's styles into those of a box in another page, whose sizes, colours and rules are not ours. Used by the widget's build.

/** A `rem` of the page, in pixels: what the browser has where nobody changed it. */
const remPx = 16;

/** Tokens that may be set from outside, by their public name. */
export const open: Readonly<Record<string, string>> = {
  '--bg': '--moorline-bg',
  '--bg-raised': '--moorline-bg-raised',
  '--bg-sunken': '--moorline-bg-sunken',
  '--bg-own': '--moorline-own',
  '--line': '--moorline-line',
  '--line-strong': '--moorline-edge',
  '--text': '--moorline-text',
  '--text-2': '--moorline-text-2',
  '--text-3': '--moorline-text-3',
  '--accent': '--moorline-accent',
  '--focus': '--moorline-focus',
  '--ink': '--moorline-ink',
  '--ink-hover': '--moorline-ink-hover',
  '--on-ink': '--moorline-on-ink',
  '--font': '--moorline-font',
};

/** The styles of the box `.moorline`, which takes nothing from around it. */
export function boxed(page: string): string {
  const css = opened(page.replace(/\/\*[\s\S]*?\*\//g, ''))
    .replace(/:root(?=[\s,{[])/g, '.moorline')
    .replace(/(^|[\s,}])(?:html|body)(?=[\s,{[])/g, '$1.moorline')
    // The box is asked for its width, not the window.
    .replace(/@media\s*((?:\((?:min|max)-width:[^)]*\)(?:\s*and\s*)?)+)(?=\s*\{)/g, (_, query: string) => `@container ${inPixels(query)}`)
    .replace(/(?<![\w.#-])(-?\d*\.?\d+)rem\b/g, 'calc($1 * var(--rem))');
  const [mixed] = /@(?:media|container)[^{]*var\([^{]*/.exec(css) ?? [];
  if (mixed) throw new Error(`A browser would pass over this rule, since its query asks for a width and for something else: ${mixed.trim()}`);
  return `.moorline{all:initial;--rem:var(--moorline-size,${remPx}px)}\n${css}`;
}

/** The first rule of the tokens' file has the defaults; where a theme or forced colours say otherwise, they are right. */
function opened(css: string): string {
  const end = css.indexOf('}');
  const defaults = css.slice(0, end).replace(/(?<=[\s;{])(--[\w-]+):\s*([^;]+);/g, (line, name: string, value: string) => {
    const outside = open[name];
    return outside ? `${name}: var(${outside}, ${value});` : line;
  });
  return defaults + css.slice(end);
}

/** A query knows no custom property. */
function inPixels(query: string): string {
  return query.trim().replace(/(\d*\.?\d+)rem\b/g, (_, rems: string) => `${Number(rems) * remPx}px`);
}
