// The reader's choices of look, kept on this device. The view writes them to the page's root; theme.js does so before the first paint.

/** Follow the system, or a fixed theme. */
export type Theme = 'system' | 'light' | 'dark';
/** Rows with air, or more rows on a screen. */
export type Density = 'comfortable' | 'compact';

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
  density = $state<Density>(read('density') === 'compact' ? 'compact' : 'comfortable');

  setTheme(theme: Theme): void {
    this.theme = theme;
    write('theme', theme === 'system' ? undefined : theme);
  }

  setDensity(density: Density): void {
    this.density = density;
    write('density', density === 'compact' ? 'compact' : undefined);
  }
}

function themeFrom(kept: string | null): Theme {
  return kept === 'light' || kept === 'dark' ? kept : 'system';
}
