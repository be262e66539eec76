/**
 * In the page, before it: notes when its list can be used for the first time, in milliseconds since the navigation
 * began. Usable is: rooms are drawn, and where one clicks, the click reaches one of them.
 */
(() => {
  const look = () => {
    const row = document.querySelector('[data-testid="room-row"]');
    const box = row?.getBoundingClientRect();
    const isReached = box && box.height > 0 && document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2)?.closest('[data-testid="room-row"]') === row;
    if (isReached) globalThis.usableAt = performance.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})();
