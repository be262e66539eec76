// What the view must know of the screen beside CSS: which landmark the list is, and whether a key or a thumb writes.
import { MediaQuery } from 'svelte/reactivity';
import { t } from '../text/index.ts';

/** One view at a time. */
export const isPhone = new MediaQuery('(max-width: 39.99rem)');
/** The panel stands beside the conversation instead of covering it. */
export const isWide = new MediaQuery('(min-width: 90rem)');
/** A mouse or a pen: the composer may take the focus without a keyboard popping up. */
export const isFine = new MediaQuery('(pointer: fine)');

const isMac = typeof navigator !== 'undefined' && /Mac|iPhone|iPad/.test(navigator.userAgent);
/** What the key for commands is called here. */
export const control = (): string => (isMac ? '⌘' : t.keys.control);
