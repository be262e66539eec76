// One room in somebody else's page: connects, finds out who is here, joins where that is allowed, opens the room, and tells the page
// what happens. Holds no DOM. Used by the widget's mount; the chat itself is the page's own.
import { MoorlineError, type Client, type State } from '@moorline/client';
import type { GetToken, Tell } from '@moorline/client/element/contract';
import { Chat } from './chat.svelte.ts';
import { Kept } from './kept.ts';
import { Watched } from './watched.svelte.ts';
import { t } from '../text/index.ts';

/** What the widget needs of its surroundings. */
export interface EmbeddedOptions {
  readonly room: string;
  /** Makes the client; it is not started yet. */
  readonly connect: () => Client;
  readonly tell: Tell;
}

/** The chat of a widget, from before anybody is known. */
export class Embedded {
  readonly #options: EmbeddedOptions;
  #client: Client;
  #off: (() => void)[] = [];
  #isOpen = false;
  #unread = -1;
  #isReady = false;
  #isEntered = false;

  /** Set as soon as it is known who is here. */
  chat = $state.raw<Chat | undefined>(undefined);
  #link = $state.raw<Watched<{ state: State }>>() as Watched<{ state: State }>;

  constructor(options: EmbeddedOptions) {
    this.#options = options;
    this.#client = this.#begin();
  }

  /** The connection, also while nobody is known yet. */
  get state(): State {
    return this.#link.now.state;
  }

  /** Whether the room is on screen: only then is anything of it loaded, or taken as read. */
  show(isOpen: boolean): void {
    this.#isOpen = isOpen;
    if (this.#isEntered) this.chat?.open(isOpen ? this.#options.room : undefined);
  }

  /** After the end of the connection, or in a wait. */
  tryAgain(): void {
    if (this.state.is === 'closed') this.#client.start();
    else this.#client.retryNow();
  }

  stop(): void {
    for (const off of this.#off) off();
    this.chat?.stop();
    this.#client.stop();
  }

  #begin(): Client {
    const { room, connect, tell } = this.#options;
    const client = connect();
    this.#link = new Watched(client);
    this.#off = [
      client.on('state', (state) => this.#changed(state)),
      client.on('error', ({ code, message }) => tell('error', { code, message })),
      client.on('user', () => this.#anew()),
      client.on('message', ({ room: where, message, live }) => {
        const { id, seq, from, body, at, mine } = message;
        if (where !== room || !live || id === undefined || seq === undefined) return;
        const name = client.people.getSnapshot().get(from)?.name ?? from;
        tell('message', { id, seq, from, name, body, at, mine });
      }),
      client.subscribe(() => this.#know()),
      client.rooms.subscribe(() => this.#count()),
    ];
    client.start();
    return client;
  }

  /** Another person than before is signed in: nothing of the one before stays. */
  #anew(): void {
    this.stop();
    this.chat = undefined;
    this.#isReady = this.#isEntered = false;
    this.#unread = -1;
    this.#client = this.#begin();
  }

  #changed(state: State): void {
    const { tell } = this.#options;
    tell('state', state);
    if (state.is === 'closed' && state.code !== 1000) tell('error', { code: 'token', message: state.reason });
  }

  #know(): void {
    const { user, ready } = this.#client.getSnapshot();
    if (!user || !ready) return;
    if (!this.chat) {
      // What is seen here is nobody's to keep on a device of another site.
      this.chat = new Chat(this.#client, { id: user.id, name: user.name }, new Kept(null));
      void this.#enter();
    }
    this.#count();
  }

  #count(): void {
    const { room, tell } = this.#options;
    const { user, ready } = this.#client.getSnapshot();
    const info = this.#client.rooms.getSnapshot().rooms.find(({ id }) => id === room);
    if (!info || !user || !ready) return;
    if (!this.#isReady) {
      this.#isReady = true;
      tell('ready', { user: { id: user.id, name: user.name }, room });
    }
    if (info.unread === this.#unread) return;
    this.#unread = info.unread;
    tell('unread', { count: info.unread });
  }

  /** Opens the room; one that is not the person's own is joined first, if that is allowed. */
  async #enter(): Promise<void> {
    const { room, tell } = this.#options;
    const { rooms, hasMore } = this.#client.rooms.getSnapshot();
    const [client, chat] = [this.#client, this.chat];
    if (!rooms.some(({ id }) => id === room) && !hasMore) {
      await client.join(room).catch((error: MoorlineError) => tell('error', { code: 'room', message: `${room}: ${t.code[error.code] ?? error.message}` }));
    }
    if (this.chat !== chat) return;
    this.#isEntered = true;
    this.show(this.#isOpen);
  }
}

/** An error that no repetition mends is one for the client, too. */
export function lasting(getToken: GetToken): GetToken {
  return async (why) => {
    try {
      return await getToken(why);
    } catch (error) {
      const { message, retryable } = error as Error & { retryable?: boolean };
      throw retryable === false ? new MoorlineError('unauthorized', message, false) : error;
    }
  };
}
