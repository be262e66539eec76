/**
 * Names and presence of everybody the server has mentioned. A cache: it never asks by itself.
 */
import type { Person } from "./api.js";
import { Signal, type Notifier } from "./observable.js";
import type { Presence, WirePerson } from "./wire.js";

/** All people known on this connection's server. */
export class People extends Signal<ReadonlyMap<string, Person>> {
  private readonly known = new Map<string, Person>();

  constructor(
    notifier: Notifier,
    private readonly named: () => void,
  ) {
    super(notifier);
  }

  protected build(): ReadonlyMap<string, Person> {
    return new Map(this.known);
  }

  has(id: string): boolean {
    return this.known.has(id);
  }

  get(id: string): Person {
    return this.known.get(id) ?? { id, name: id };
  }

  learn(people: readonly WirePerson[] = []): void {
    for (const person of people) {
      const before = this.known.get(person.id);
      if (before?.name === person.name && (!person.presence || before.presence === person.presence)) continue;
      this.known.set(person.id, { ...before, ...person });
      this.touch();
      if (before?.name !== person.name) this.named();
    }
  }

  presence(id: string, presence: Presence, seen: number): void {
    this.known.set(id, { ...this.get(id), presence, seen });
    this.touch();
  }

  clear(): void {
    this.known.clear();
    this.touch();
  }
}
