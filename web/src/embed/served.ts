// `/widget.js`: how `@moorline/client/element` finds the chat of this server, whose chunk's name changes with each build.

/** Fetches what draws the chat. */
export const load = () => import('./mount.ts');
