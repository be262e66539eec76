// What the composer holds: the draft of a room, an edit of a message, or an answer to one. Used by the composer through the talk.
// It decides what Enter does; it knows no DOM and never waits for the network.
import type { MessageItem, Room } from '@moorline/client';
import type { Drafts } from './drafts.ts';
import { t } from '../text/index.ts';

const bytes = new TextEncoder();

/** What is being written. */
export type Mode =
  | { readonly is: 'new' }
  | { readonly is: 'reply'; readonly to: MessageItem }
  | { readonly is: 'edit'; readonly of: MessageItem };

/** What a press of Enter came to: a new row at the end, a changed one, a wish to delete, or nothing. */
export type Sent = 'sent' | 'changed' | 'emptied' | 'nothing';

/** The composer's text and what it is for. */
export class Writing {
  /** What stands in the composer. */
  text = $state('');
  /** Why it cannot be sent as it is. */
  problem = $state('');
  mode = $state.raw<Mode>({ is: 'new' });
  /** The draft that waits while a message is edited. */
  #aside = '';

  constructor(
    private readonly room: Room,
    private readonly drafts: Drafts,
    /** Largest body in bytes of UTF-8. */
    private readonly limit: () => number,
  ) {
    this.text = drafts.get(room.id);
  }

  set(text: string): void {
    this.text = text;
    this.problem = '';
    if (this.mode.is === 'edit') return;
    this.drafts.set(this.room.id, text);
    if (text.trim()) this.room.typing();
  }

  /** Takes a message of one's own into the composer; what was begun there comes back afterwards. */
  edit(message: MessageItem): void {
    if (this.mode.is !== 'edit') this.#aside = this.text;
    this.mode = { is: 'edit', of: message };
    this.text = message.body;
    this.problem = '';
  }

  reply(message: MessageItem): void {
    if (this.mode.is === 'edit') this.cancel();
    this.mode = { is: 'reply', to: message };
  }

  /** Back to a plain new message; false when there was nothing to leave. */
  cancel(): boolean {
    if (this.mode.is === 'new') return false;
    if (this.mode.is === 'edit') this.text = this.#aside;
    this.mode = { is: 'new' };
    this.problem = '';
    return true;
  }

  /** Sends, or saves the edit. Nothing here waits: the row is there when it returns. */
  send(): Sent {
    const body = this.text.trim();
    const { mode } = this;
    if (!body) return mode.is === 'edit' ? 'emptied' : 'nothing';
    if (bytes.encode(body).length > this.limit()) {
      this.problem = t.talk.tooLong;
      return 'nothing';
    }
    if (mode.is === 'edit') return this.#save(mode.of, body);
    const replyTo = mode.is === 'reply' ? mode.to.id : undefined;
    this.room.send(body, { replyTo }).acked.catch(() => undefined);
    this.mode = { is: 'new' };
    this.text = '';
    this.drafts.set(this.room.id, '');
    return 'sent';
  }

  #save(message: MessageItem, body: string): Sent {
    this.cancel();
    if (body === message.body && message.state !== 'failed') return 'nothing';
    if (message.id !== undefined) {
      this.room.edit(message.id, body).acked.catch(() => undefined);
      return 'changed';
    }
    // It never reached the server: it goes again with other words, which needs another cid.
    if (message.cid === undefined || !this.room.discard(message.cid)) return 'nothing';
    this.room.send(body, { replyTo: message.replyTo }).acked.catch(() => undefined);
    return 'sent';
  }
}
