// Notices that nobody is at this screen: the tab is hidden, or nothing was touched for five minutes. The chat tells the server.

/** So long without a key, a click or a move of the pointer is away. */
export const idleMs = 5 * 60_000;

const signs = ['keydown', 'pointerdown', 'pointermove', 'wheel', 'focus'] as const;

/** Watches the window until the returned function is called; `tell` hears each change. */
export function watchAway(tell: (isAway: boolean) => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = () => {
    clearTimeout(timer);
    const isHidden = document.visibilityState === 'hidden';
    tell(isHidden);
    if (!isHidden) timer = setTimeout(() => tell(true), idleMs);
  };
  for (const sign of signs) addEventListener(sign, look, { passive: true, capture: true });
  document.addEventListener('visibilitychange', look);
  look();
  return () => {
    clearTimeout(timer);
    for (const sign of signs) removeEventListener(sign, look, { capture: true });
    document.removeEventListener('visibilitychange', look);
  };
}
