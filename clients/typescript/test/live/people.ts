/**
 * People with the SDK on the real server, each behind a network of their own, everything on record.
 */
import { afterEach } from "vitest";
import type { Client, ClientOptions, MessageItem } from "../../src/index.js";
import { createClient, memoryStore } from "../../src/index.js";
import type { History } from "./history.js";
import { recordedFetch } from "./http-history.js";
import { Proxy } from "./proxy.js";
import { Server } from "./server.js";
import { until } from "./until.js";

const disposals: (() => unknown)[] = [];

afterEach(async () => {
  for (const dispose of disposals.splice(0).reverse()) await dispose();
});

/** A server that ends with the test. */
export async function started(): Promise<Server> {
  const server = await Server.start();
  disposals.push(() => server.dispose());
  return server;
}

/** One window of one person. */
export interface Person {
  readonly client: Client;
  readonly proxy: Proxy;
  /** Bodies in the order in which the application got them. */
  readonly heard: string[];
}

/** Signs somebody in and waits until the connection is live. */
export async function person(
  server: Server,
  history: History,
  name: string,
  options: ClientOptions & { proxy?: Proxy } = {},
): Promise<Person> {
  const { proxy = await Proxy.to(server.port), environment: more, ...rest } = options;
  const window = `${name}-1`;
  history.begins(window);
  const getToken = (): string => server.token(name);
  const environment = { openSocket: history.sockets(window, name), fetch: recordedFetch(history, window, name), ...more };
  const client = createClient({ url: proxy.url, user: name, getToken, store: memoryStore(), environment, ...rest });
  const heard: string[] = [];
  client.on("message", ({ message }) => heard.push(message.body));
  history.watch(window, client);
  client.start();
  disposals.push(() => proxy.close(), () => client.stop());
  await until(`${window} is live`, () => client.getSnapshot().ready);
  return { client, proxy, heard };
}

/** A conversation as a person sees it: text and state. */
export function rows(client: Client, room: string): string[] {
  const items = client.room(room).getSnapshot().items.filter((item): item is MessageItem => item.type === "message");
  return items.map(({ body, state }) => `${body} ${state}`);
}
