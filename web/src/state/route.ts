// Addresses of the page: everything stands behind the '#', so that the server needs to know one path only.

/** A place in the page. */
export type Route =
  | { at: 'rooms' }
  | { at: 'room'; id: string; panel: boolean }
  | { at: 'settings'; tab?: 'devices' | 'appearance' }
  | { at: 'signin' }
  | { at: 'signup' };

/** Reads '#/room/id', '#/room/id/details', '#/settings/devices', '#/signup'; anything else is the list. */
export function parseRoute(hash: string): Route {
  const [kind, id, rest] = hash.replace(/^#\/?/, '').split('/');
  if (kind === 'room' && id) return { at: 'room', id: decode(id), panel: rest === 'details' };
  if (kind === 'signin' || kind === 'signup') return { at: kind };
  if (kind === 'settings') {
    return id === 'devices' || id === 'appearance' ? { at: 'settings', tab: id } : { at: 'settings' };
  }
  return { at: 'rooms' };
}

/** The address of a place. */
export function formatRoute(route: Route): string {
  if (route.at === 'room') return `#/room/${encodeURIComponent(route.id)}${route.panel ? '/details' : ''}`;
  if (route.at === 'settings') return route.tab ? `#/settings/${route.tab}` : '#/settings';
  return route.at === 'rooms' ? '#/' : `#/${route.at}`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
