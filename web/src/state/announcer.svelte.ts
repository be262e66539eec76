// Words for screen readers. New messages are gathered and spoken at most once a second; a failed one is spoken at once, one time.
import { t } from '../text/index.ts';

/** How often new messages are spoken at most. */
export const everyMs = 1_000;

/** More of one message nobody wants to hear unasked. */
const spokenLength = 300;

/** What the two live regions of the page say. */
export class Announcer {
  polite = $state('');
  urgent = $state('');
  #waiting: string[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** A message that just came into the open room. */
  message(name: string, body: string): void {
    this.#waiting.push(t.talk.spoken(name, body.slice(0, spokenLength)));
    this.#timer ??= setTimeout(() => this.#speak(), everyMs);
  }

  /** Anything else worth a word, such as 'Connected'. The same words again are a change too, or they would not be spoken. */
  say(text: string): void {
    this.polite = this.polite === text ? `${text}\u00a0` : text;
  }

  /** One's own message was refused for good. */
  failure(text: string): void {
    this.urgent = '';
    queueMicrotask(() => { this.urgent = text; });
  }

  #speak(): void {
    this.#timer = undefined;
    this.say(this.#waiting.length === 1 ? (this.#waiting[0] ?? '') : t.talk.spokenMany(this.#waiting.length));
    this.#waiting = [];
  }
}
