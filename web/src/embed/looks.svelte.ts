// How a widget shall look now, as its element was told last; reading it in a view follows it.
import type { WidgetLook } from '@moorline/client/element/contract';

/** The present look. */
export class Looks {
  now: WidgetLook = $state.raw({ theme: 'system', language: undefined, isOpen: true });

  constructor({ theme, language, isOpen }: WidgetLook) {
    this.now = { theme, language, isOpen };
  }
}
