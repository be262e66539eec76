/**
 * The door of `@moorline/client/react`: hooks on the client's snapshots. A component is drawn again when, and only when,
 * what its hook gives has changed. Nothing here keeps state of its own.
 */
import { createContext, createElement, useContext, useEffect, useMemo, useRef, useSyncExternalStore, type ReactElement, type ReactNode } from "react";
import type { Client, ClientEvents, ClientSnapshot, Person, Readable, Room, RoomInfo, RoomListSnapshot, TimelineSnapshot } from "../api.js";
import { holdClient, holdRoom } from "../hold.js";
import { infoPart, personPart, typingPart, type Typists } from "../select.js";

export type { Typists } from "../select.js";

const Context = createContext<Client | undefined>(undefined);

/**
 * Gives the client to all components below. It is started when this is mounted, and stopped when it is gone for good.
 * Make the client outside of any component, or in `useState(() => createClient(…))`.
 */
export function MoorlineProvider({ client, children }: { readonly client: Client; readonly children?: ReactNode }): ReactElement {
  useEffect(() => holdClient(client), [client]);
  return createElement(Context.Provider, { value: client }, children);
}

/** The client of the provider above. */
export function useClient(): Client {
  const client = useContext(Context);
  if (!client) throw new Error("useClient and its like need a <MoorlineProvider client={…}> above the component.");
  return client;
}

/** Anything that can be read and watched: the client, its rooms, its people, a room. */
export function useSnapshot<T>({ subscribe, getSnapshot }: Readable<T>): T {
  return useSyncExternalStore(subscribe, getSnapshot, getSnapshot);
}

/** The state of the connection, who is signed in, and how many messages wait or failed. */
export function useConnection(): ClientSnapshot {
  return useSnapshot(useClient());
}

/** The list of rooms, the latest activity first, with the counts over all. */
export function useRooms(): RoomListSnapshot {
  return useSnapshot(useClient().rooms);
}

/** One row of that list; undefined where it is not there. */
export function useRoomInfo(id: string): RoomInfo | undefined {
  const client = useClient();
  return useSnapshot(useMemo(() => infoPart(client, id), [client, id]));
}

/** A room's timeline, opened while a component shows it, and `room` for all that one can do there. */
export function useRoom(id: string): { readonly timeline: TimelineSnapshot; readonly room: Room } {
  const room = useClient().room(id);
  useEffect(() => holdRoom(room), [room]);
  const timeline = useSnapshot(room);
  return useMemo(() => ({ timeline, room }), [timeline, room]);
}

/** Who is typing in a room, without oneself. */
export function useTyping(id: string): Typists {
  const client = useClient();
  return useSnapshot(useMemo(() => typingPart(client, id), [client, id]));
}

/** A person by id: the name to show, and whether they are here. */
export function usePerson(id: string): Person {
  const client = useClient();
  return useSnapshot(useMemo(() => personPart(client, id), [client, id]));
}

/** Calls the newest `listener` at each event of this name, as `client.on`; nothing is drawn again for it. */
export function useClientEvent<K extends keyof ClientEvents>(name: K, listener: (value: ClientEvents[K]) => void): void {
  const client = useClient();
  const latest = useRef(listener);
  useEffect(() => {
    latest.current = listener;
  });
  useEffect(() => client.on(name, (value) => latest.current(value)), [client, name]);
}
