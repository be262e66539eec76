// Draws the chat of a widget. Fetched by the loader when it is needed; the one place where the page's parts meet somebody else's page.
// Styles come in as one adopted sheet, made of a string: a `<style>` would need the leave of that page's policy.
import { createClient } from '@moorline/client';
import type { Tell, Widget, WidgetLook, WidgetOptions } from '@moorline/client/element/contract';
import { mount as draw, unmount } from 'svelte';
import { deviceName } from '../state/device.ts';
import { Embedded, lasting } from '../state/embedded.svelte.ts';
import { followLanguage } from '../text/index.ts';
import { Looks } from './looks.svelte.ts';
import css from './widget.css?inline';
import View from './Widget.svelte';

let sheet: CSSStyleSheet | undefined;

/** Draws a chat into this box, whose root takes the styles. */
export function mount(box: HTMLElement, options: WidgetOptions, tell: Tell): Widget {
  const root = box.getRootNode() as ShadowRoot;
  sheet ??= styles();
  if (!root.adoptedStyleSheets.includes(sheet)) root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
  const { server, room, getToken, onclose } = options;
  const connect = () => createClient({
    url: `${server}/ws`,
    device: deviceName(navigator.userAgent),
    getToken: getToken && lasting(getToken),
  });
  const embedded = new Embedded({ room, connect, tell });
  const looks = new Looks(options);
  let wantsFocus = false;
  const focus = () => {
    wantsFocus = !box.querySelector<HTMLElement>('.composer textarea');
    if (!wantsFocus) box.querySelector<HTMLElement>('.composer textarea')?.focus();
  };
  // The words come first: a chat that changes its language a moment after it appeared flickers.
  let view: Record<string, never> | undefined;
  let isOver = false;
  const begin = () => {
    if (isOver) return;
    view = draw(View, { target: box, props: { embedded, looks, isWhole: options.isWhole ?? false, onclose } }) as Record<string, never>;
  };
  const speak = (look: WidgetLook) => followLanguage(look.language).catch(() => undefined);
  void speak(options).then(begin);
  // Asked for before there was anything to write in.
  const arrived = new MutationObserver(() => wantsFocus && focus());
  arrived.observe(box, { childList: true, subtree: true });
  return {
    update: (look) => {
      if (look.language !== looks.now.language) void speak(look);
      looks.now = look;
    },
    focus,
    destroy: () => {
      isOver = true;
      arrived.disconnect();
      if (view) void unmount(view);
      embedded.stop();
    },
  };
}

function styles(): CSSStyleSheet {
  const made = new CSSStyleSheet();
  made.replaceSync(css);
  return made;
}
