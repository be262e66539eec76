// What somebody wants to do with a message. Asked for by a row or a key, done by the conversation.
import type { MessageItem } from '@moorline/client';

/** One wish. `by` is what had the focus or was pressed: menus open beside it and give the focus back to it. */
export interface Asked {
  readonly what: 'menu' | 'reply' | 'edit' | 'delete' | 'copy' | 'readers' | 'quoted';
  readonly item: MessageItem;
  readonly key: string;
  readonly by: HTMLElement;
}
