// Addresses of the page: everything stands behind the '#', so that the server needs to know one path only.

/** A message as an address names it: where it stands in its room's log, and which one it must be. */
export interface MessagePlace {
  seq: number;
  id: string;
}

/** The parts of the settings. */
export type SettingsTab = 'profile' | 'devices' | 'appearance';

/** A place in the page. */
export type Route =
  | { at: 'rooms' }
  | { at: 'room'; id: string; panel: boolean; message?: MessagePlace }
  | { at: 'search'; room?: string }
  | { at: 'settings'; tab?: SettingsTab }
  | { at: 'signin' }
  | { at: 'signup'; invite?: string };

const tabs: readonly string[] = ['profile', 'devices', 'appearance'] satisfies SettingsTab[];

/**
 * Reads '#/room/id', '#/room/id/details', '#/room/id/at/17/message', '#/search/room', '#/settings/devices', '#/signup' and
 * the '#invite=…' that an invitation's link ends in; anything else is the list.
 */
export function parseRoute(hash: string): Route {
  const invite = /^#invite=(.+)$/.exec(hash)?.[1];
  if (invite) return { at: 'signup', invite };
  const [kind, id, ...rest] = hash.replace(/^#\/?/, '').split('/');
  if (kind === 'room' && id) return roomRoute(decode(id), rest);
  if (kind === 'search') return id ? { at: 'search', room: decode(id) } : { at: 'search' };
  if (kind === 'signin' || kind === 'signup') return { at: kind };
  if (kind === 'settings') return tabs.includes(id ?? '') ? { at: 'settings', tab: id as SettingsTab } : { at: 'settings' };
  return { at: 'rooms' };
}

function roomRoute(id: string, [what, seq, message]: string[]): Route {
  const at = Number(seq);
  const isPlace = what === 'at' && message && Number.isSafeInteger(at) && at > 0;
  if (isPlace) return { at: 'room', id, panel: false, message: { seq: at, id: decode(message) } };
  return { at: 'room', id, panel: what === 'details' };
}

/** The address of a place. */
export function formatRoute(route: Route): string {
  if (route.at === 'room') return `#/room/${encodeURIComponent(route.id)}${placeIn(route)}`;
  if (route.at === 'search') return route.room ? `#/search/${encodeURIComponent(route.room)}` : '#/search';
  if (route.at === 'settings') return route.tab ? `#/settings/${route.tab}` : '#/settings';
  if (route.at === 'signup' && route.invite) return `#invite=${route.invite}`;
  return route.at === 'rooms' ? '#/' : `#/${route.at}`;
}

function placeIn({ message, panel }: Route & { at: 'room' }): string {
  if (message) return `/at/${message.seq}/${encodeURIComponent(message.id)}`;
  return panel ? '/details' : '';
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
