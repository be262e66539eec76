// The search for messages: what was asked, what was found, what went wrong. The view shows it; the server finds.
// It outlives its view, so that one comes back from a hit to the same list.
import { MoorlineError, type Client, type Hit } from '@moorline/client';
import { t } from '../text/index.ts';
import { reason } from './words.ts';

/** Hits of one room, the newest first. */
export interface HitGroup {
  room: string;
  hits: Hit[];
}

/** A person types; the question goes out when they pause. */
export const pauseMs = 200;
const most = 100;

/** One person's search. */
export class Search {
  query = $state('');
  /** The room that is searched; undefined for all of them. */
  room = $state<string | undefined>(undefined);
  /** The latest answer; undefined before the first. */
  hits = $state.raw<readonly Hit[] | undefined>(undefined);
  /** Where older hits begin; undefined where there are none. */
  after = $state<string | undefined>(undefined);
  /** How far the search was behind when it answered, in ms. */
  behindMs = $state(0);
  /** Whether the question itself could not be understood. */
  isUnclear = $state(false);
  problem = $state('');
  isLooking = $state(false);
  /** The words that `hits` answer, for the marks in them. */
  answered = $state('');
  readonly groups: readonly HitGroup[] = $derived.by(() => {
    const groups = new Map<string, HitGroup>();
    for (const hit of this.hits ?? []) {
      const group = groups.get(hit.room);
      if (group) group.hits.push(hit);
      else groups.set(hit.room, { room: hit.room, hits: [hit] });
    }
    return [...groups.values()];
  });
  readonly #client: Pick<Client, 'search'>;
  #turn = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(client: Pick<Client, 'search'>) {
    this.#client = client;
  }

  /** Other words, or another place to look in. Only the answer to the latest question is shown. */
  ask(query: string, room: string | undefined): void {
    const isSame = query.trim() === this.query.trim() && room === this.room;
    this.query = query;
    this.room = room;
    if (isSame && (this.hits || this.isLooking)) return;
    this.#later(pauseMs);
  }

  /** The same question once more. */
  again(): void {
    this.#later(0);
  }

  #later(ms: number): void {
    clearTimeout(this.#timer);
    this.#turn += 1;
    this.problem = '';
    this.isUnclear = false;
    this.isLooking = this.query.trim() !== '';
    if (!this.isLooking) {
      this.hits = undefined;
      return;
    }
    const turn = this.#turn;
    this.#timer = setTimeout(() => void this.#look(turn), ms);
  }

  /** Older hits of the same question. */
  more(): void {
    if (this.after && !this.isLooking) void this.#look(this.#turn, this.after);
  }

  async #look(turn: number, after?: string): Promise<void> {
    const query = after ? this.answered : this.query;
    this.isLooking = true;
    try {
      const found = await this.#client.search(query.trimStart(), { room: this.room, limit: most, after });
      if (turn !== this.#turn) return;
      this.hits = after ? [...(this.hits ?? []), ...found.hits] : found.hits;
      this.after = found.after;
      this.behindMs = found.behind_ms;
      this.answered = query;
    } catch (error) {
      if (turn !== this.#turn) return;
      this.isUnclear = error instanceof MoorlineError && error.code === 'invalid';
      this.problem = this.isUnclear ? t.search.unclearHelp : reason(error);
    } finally {
      if (turn === this.#turn) this.isLooking = false;
    }
  }

  /** Nothing that one person looked for is another's. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#turn += 1;
  }
}
