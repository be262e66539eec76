// The service worker's beginning: gives the browser's events to the keeper of the page's files. Built into /sw.js, registered by register.ts.
// It takes over as soon as it is installed: pages of the build before have loaded what they need by then.
import { Keeper, type Shell } from './shell.ts';

/** The part of a worker's surroundings that TypeScript's DOM types leave out. */
interface WorkerEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface WorkerInstall extends WorkerEvent {
  addRoutes?(rules: readonly object[]): Promise<void>;
}
interface WorkerFetch extends WorkerEvent {
  readonly request: Request;
  readonly preloadResponse?: Promise<Response | undefined>;
  respondWith(answer: Promise<Response>): void;
}
interface Worker {
  readonly location: { readonly origin: string };
  readonly registration: { readonly navigationPreload?: { enable(): Promise<void> } };
  skipWaiting(): Promise<void>;
  addEventListener(name: 'install', listener: (event: WorkerInstall) => void): void;
  addEventListener(name: 'activate', listener: (event: WorkerEvent) => void): void;
  addEventListener(name: 'fetch', listener: (event: WorkerFetch) => void): void;
}

const worker = self as unknown as Worker;
// The build puts its list of files in the place of this word.
const shell = JSON.parse('@@shell@@') as Shell;
const keeper = new Keeper(shell, {
  origin: worker.location.origin,
  caches,
  fetch: (request) => fetch(request),
  wait: (ms) => new Promise((done) => setTimeout(done, ms)),
});

worker.addEventListener('install', (event) => {
  // Where the browser can take these files from the cache by itself, they need not wait for the worker to start.
  const routed = event.addRoutes?.([{ condition: { urlPattern: '/assets/*' }, source: { cacheName: keeper.cacheName } }]).catch(() => undefined);
  event.waitUntil(Promise.all([routed, keeper.install()]).then(() => worker.skipWaiting()));
});

worker.addEventListener('activate', (event) => {
  // The request for the page goes out while the worker is still starting.
  event.waitUntil(Promise.all([keeper.activate(), worker.registration.navigationPreload?.enable()]));
});

worker.addEventListener('fetch', (event) => {
  const answer = keeper.answer(event.request, event.preloadResponse);
  if (answer) event.respondWith(answer);
});
