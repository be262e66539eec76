// What the service worker does: it keeps the page's own files, so that the page opens while the server is away. Called by sw.ts.
// It answers for an exact list of files of one build and for nothing else, so nobody's data ever passes through it.

/** The files of one build, as vite.config.ts writes them into the worker. */
export interface Shell {
  /** Names the build. */
  readonly hash: string;
  /** SHA-256 of index.html, in hex. */
  readonly index: string;
  /** Paths with their query, without index.html. */
  readonly files: readonly string[];
}

/** What the browser gives a worker, as far as it is used here. */
export interface Surroundings {
  readonly origin: string;
  readonly caches: Pick<CacheStorage, 'open' | 'keys' | 'delete'>;
  readonly fetch: (request: Request) => Promise<Response>;
  readonly wait: (ms: number) => Promise<void>;
}

/** Caches of this page begin so; others of the same origin are left alone. */
const prefix = 'moorline-shell-';
/** How long a server may take before the page is opened as it is kept. */
export const limitMs = 3_000;

/** The files of one build in a cache of its own, which never changes once it is filled. */
export class Keeper {
  readonly #paths: ReadonlySet<string>;

  constructor(
    private readonly shell: Shell,
    private readonly outside: Surroundings,
  ) {
    this.#paths = new Set(shell.files);
  }

  /** The cache of this build. */
  get cacheName(): string {
    return prefix + this.shell.hash;
  }

  /** Fetches every file. Rejects when one is missing or the server has another build by now: then nothing is installed. */
  async install(): Promise<void> {
    const cache = await this.outside.caches.open(this.cacheName);
    try {
      const index = await this.#load('/', 'no-cache');
      if ((await digest(index)) !== this.shell.index) throw new Error('The server has another build of the page than this worker.');
      const files = await Promise.all(this.shell.files.map(async (path) => [path, await this.#load(path, 'default')] as const));
      await Promise.all([cache.put(this.#key('/'), index), ...files.map(([path, file]) => cache.put(this.#key(path), file))]);
    } catch (error) {
      await this.outside.caches.delete(this.cacheName);
      throw error;
    }
  }

  /** Removes what other builds kept. */
  async activate(): Promise<void> {
    const names = await this.outside.caches.keys();
    const old = names.filter((name) => name.startsWith(prefix) && name !== this.cacheName);
    await Promise.all(old.map((name) => this.outside.caches.delete(name)));
  }

  /** The answer to a request; undefined for everything that is not the page's own file, which the browser then does itself. */
  answer(request: Request, preload?: Promise<Response | undefined>): Promise<Response> | undefined {
    const { origin, pathname, search } = new URL(request.url);
    if (request.method !== 'GET' || origin !== this.outside.origin) return undefined;
    if (request.mode === 'navigate') return pathname === '/' ? this.#open(request, preload) : undefined;
    return this.#paths.has(pathname + search) ? this.#file(request, pathname + search) : undefined;
  }

  /** The server's page, so that a new build is seen at once; the kept one where the server is away, slow or behind a failing proxy. */
  async #open(request: Request, preload?: Promise<Response | undefined>): Promise<Response> {
    const asked = (async () => (await preload) ?? (await this.outside.fetch(request)))();
    const fresh = asked.catch(() => undefined);
    const first = await Promise.race([fresh, this.outside.wait(limitMs)]);
    if (first && first.status < 500) return first;
    return (await this.#kept('/')) ?? asked;
  }

  async #file(request: Request, path: string): Promise<Response> {
    return (await this.#kept(path)) ?? this.outside.fetch(request);
  }

  async #kept(path: string): Promise<Response | undefined> {
    const cache = await this.outside.caches.open(this.cacheName);
    return cache.match(this.#key(path), { ignoreVary: true });
  }

  async #load(path: string, cache: RequestCache): Promise<Response> {
    const response = await this.outside.fetch(new Request(this.#key(path), { cache }));
    if (!response.ok || response.redirected) throw new Error(`${path} answered ${response.status}.`);
    return response;
  }

  #key(path: string): string {
    return this.outside.origin + path;
  }
}

async function digest(response: Response): Promise<string> {
  const bytes = await crypto.subtle.digest('SHA-256', await response.clone().arrayBuffer());
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
