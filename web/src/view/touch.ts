// A long press with a finger, which opens on touch what a mouse finds by hovering. Used by message rows.

const pressMs = 500;
/** A finger that moved further than this is scrolling. */
const slopPx = 10;

/** Calls `open` when a finger rests on the element. A mouse has its own ways. */
export function longPress(element: HTMLElement, open: () => void): { update: (next: () => void) => void; destroy: () => void } {
  let run = open;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let from = { x: 0, y: 0 };
  let isTouch = false;
  const end = () => clearTimeout(timer);
  const down = (event: PointerEvent) => {
    isTouch = event.pointerType === 'touch';
    if (!isTouch || !event.isPrimary) return;
    from = { x: event.clientX, y: event.clientY };
    clearTimeout(timer);
    timer = setTimeout(run, pressMs);
  };
  const move = (event: PointerEvent) => {
    if (Math.hypot(event.clientX - from.x, event.clientY - from.y) > slopPx) end();
  };
  // The system's own menu of a long press would cover ours; that of a link is wanted.
  const menu = (event: Event) => {
    if (isTouch && !(event.target as HTMLElement).closest('a')) event.preventDefault();
    if (isTouch && (event.target as HTMLElement).closest('a')) end();
  };
  const listeners: [string, (event: never) => void][] = [['pointerdown', down], ['pointermove', move], ['pointerup', end], ['pointercancel', end], ['contextmenu', menu]];
  for (const [name, listener] of listeners) element.addEventListener(name, listener as EventListener);
  return {
    update: (next) => (run = next),
    destroy: () => {
      end();
      for (const [name, listener] of listeners) element.removeEventListener(name, listener as EventListener);
    },
  };
}
