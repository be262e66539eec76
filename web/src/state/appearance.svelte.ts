// The reader's choices of look, kept on this device. The view writes them to the page's root; theme.js does so before the first paint.

/** Follow the system, or a fixed theme. */
export type Theme = 'system' | 'light' | 'dark';
/** Rows with air, or more rows on a screen. */
export type Density = 'comfortable' | 'compact';
/** How large everything is, beside the browser's own setting. */
export type TextSize = 'small' | 'normal' | 'large' | 'huge';

const sizes: readonly string[] = ['small', 'large', 'huge'] satisfies TextSize[];

const read = (key: string) => {
  try {
    return localStorage.getItem(`moorline.${key}`);
  } catch {
    return null;
  }
};

function write(key: string, value: string | undefined): void {
  try {
    if (value === undefined) localStorage.removeItem(`moorline.${key}`);
    else localStorage.setItem(`moorline.${key}`, value);
  } catch {
    // Storage is switched off: the choice lasts as long as the tab.
  }
}

/** The look chosen on this device. */
export class Appearance {
  theme = $state<Theme>(themeFrom(read('theme')));
  size = $state<TextSize>(sizeFrom(read('size')));
  density = $state<Density>(read('density') === 'compact' ? 'compact' : 'comfortable');

  setTheme(theme: Theme): void {
    this.theme = theme;
    write('theme', theme === 'system' ? undefined : theme);
  }

  setSize(size: TextSize): void {
    this.size = size;
    write('size', size === 'normal' ? undefined : size);
  }

  setDensity(density: Density): void {
    this.density = density;
    write('density', density === 'compact' ? 'compact' : undefined);
  }
}

function sizeFrom(kept: string | null): TextSize {
  return sizes.includes(kept ?? '') ? (kept as TextSize) : 'normal';
}

function themeFrom(kept: string | null): Theme {
  return kept === 'light' || kept === 'dark' ? kept : 'system';
}
