// Sets the chosen theme before the first paint, so that nobody sees the other one flash by. Keys as in src/state/appearance.svelte.ts.
try {
  for (const key of ['theme', 'density', 'size']) {
    const value = localStorage.getItem('moorline.' + key);
    if (value) document.documentElement.dataset[key] = value;
  }
} catch {
  // Storage is switched off: the system's theme it is.
}
