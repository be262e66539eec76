/**
 * A part of a snapshot that can be watched alone: whoever shows it is called only when that part has changed. Used by
 * the entries for React and Svelte.
 */
import type { Client, Person, Readable, RoomInfo } from "./api.js";

/** Who is typing, as a room's row tells it. */
export interface Typists {
  /** By id, without oneself; the names are in `people`. */
  readonly users: readonly string[];
  /** How many more there are. */
  readonly more: number;
}

/** A part of `readable`, with the same identity for as long as `isSame` says so. */
export function part<T, P>(readable: Readable<T>, select: (snapshot: T) => P, isSame: (left: P, right: P) => boolean = Object.is): Readable<P> {
  let last: { readonly of: T; readonly value: P } | undefined;
  const getSnapshot = (): P => {
    const of = readable.getSnapshot();
    if (last && last.of === of) return last.value;
    const value = select(of);
    last = { of, value: last && isSame(last.value, value) ? last.value : value };
    return last.value;
  };
  const subscribe = (listener: () => void): (() => void) => {
    let known = getSnapshot();
    return readable.subscribe(() => {
      const value = getSnapshot();
      if (Object.is(value, known)) return;
      known = value;
      listener();
    });
  };
  return { getSnapshot, subscribe };
}

/** One row of the list of rooms. */
export function infoPart(client: Client, room: string): Readable<RoomInfo | undefined> {
  return part(client.rooms, ({ rooms }) => rooms.find(({ id }) => id === room));
}

/** Who is typing in a room. */
export function typingPart(client: Client, room: string): Readable<Typists> {
  const isSame = (left: Typists, right: Typists): boolean => left.more === right.more && left.users.join("\0") === right.users.join("\0");
  return part(infoPart(client, room), (info) => ({ users: info?.typing ?? [], more: info?.typingMore ?? 0 }), isSame);
}

/** A person by id; the id stands for a name that is not known yet. */
export function personPart(client: Client, id: string): Readable<Person> {
  const isUnknown = ({ name, presence }: Person): boolean => name === id && !presence;
  const isSame = (left: Person, right: Person): boolean => left === right || (isUnknown(left) && isUnknown(right));
  return part(client.people, (people) => people.get(id) ?? { id, name: id }, isSame);
}
