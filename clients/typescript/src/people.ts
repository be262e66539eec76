/**
 * Names and presence of everybody the server has mentioned. A cache: it never asks by itself.
 */
import type { Person } from "./api.js";
import { Signal, type Notifier } from "./observable.js";
import type { Presence, WirePerson } from "./wire.js";

/** All people known on this connection's server. */
export class People extends Signal<ReadonlyMap<string, Person>> {
  readonly #known = new Map<string, Person>();

  constructor(
    notifier: Notifier,
    private readonly renamed: (person: string) => void,
  ) {
    super(notifier);
  }

  protected build(): ReadonlyMap<string, Person> {
    return new Map(this.#known);
  }

  has(id: string): boolean {
    return this.#known.has(id);
  }

  get(id: string): Person {
    return this.#known.get(id) ?? { id, name: id };
  }

  learn(people: readonly WirePerson[] = []): void {
    for (const { id, name, presence } of people) {
      const before = this.#known.get(id);
      if (before?.name === name && (!presence || before.presence === presence)) continue;
      this.#known.set(id, { ...before, id, name, ...(presence && { presence }) });
      this.touch();
      if (before?.name !== name) this.renamed(id);
    }
  }

  presence(id: string, presence: Presence, seen: number): void {
    this.#known.set(id, { ...this.get(id), presence, seen });
    this.touch();
  }

  clear(): void {
    this.#known.clear();
    this.touch();
  }
}
