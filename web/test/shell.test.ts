import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { admit } from '../src/worker/register.ts';
import { Keeper, limitMs, type Surroundings } from '../src/worker/shell.ts';

const origin = 'https://chat.example';
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** The browser's caches as a map; what the browser does with headers is proved in a browser. */
class Caches {
  readonly kept = new Map<string, Map<string, Response>>();
  open = async (name: string) => {
    const entries = this.kept.get(name) ?? new Map<string, Response>();
    this.kept.set(name, entries);
    return {
      put: async (key: string, response: Response) => void entries.set(key, response),
      match: async (key: string) => entries.get(key)?.clone(),
    } as unknown as Cache;
  };
  keys = async () => [...this.kept.keys()];
  delete = async (name: string) => this.kept.delete(name);
}

type Answers = Record<string, string | number | Error | 'never'>;

function keeper(answers: Answers, { hash = 'a', index = 'page a', caches = new Caches(), isSlow = false } = {}) {
  const asked: string[] = [];
  const outside: Surroundings = {
    origin,
    caches,
    wait: () => (isSlow ? Promise.resolve() : new Promise(() => undefined)),
    fetch: async (request) => {
      const path = request.url.slice(origin.length);
      asked.push(path);
      const answer = answers[path] ?? 404;
      if (answer === 'never') return new Promise(() => undefined);
      if (answer instanceof Error) throw answer;
      return typeof answer === 'number' ? new Response('', { status: answer }) : new Response(answer);
    },
  };
  const shell = { hash, index: sha256(index), files: ['/assets/a.js', '/theme.js?1'] };
  return { keeper: new Keeper(shell, outside), asked, caches, answers };
}

const whole = (): Answers => ({ '/': 'page a', '/assets/a.js': 'script a', '/theme.js?1': 'theme' });

/** A request as a worker gets it; Node's has no navigation mode. */
function request(path: string, { mode = 'navigate', method = 'GET', from = origin } = {}): Request {
  const made = new Request(from + path, { method });
  Object.defineProperty(made, 'mode', { value: mode });
  return made;
}
const textOf = async (answer: Promise<Response> | undefined) => (await answer)?.text();

test('all files of the build are kept, and the page opens from them when the server is away', async () => {
  const { keeper: one, answers } = keeper(whole());
  await one.install();
  answers['/'] = new TypeError('no network');
  answers['/assets/a.js'] = 500;
  expect(await textOf(one.answer(request('/')))).toBe('page a');
  expect(await textOf(one.answer(request('/assets/a.js', { mode: 'cors' })))).toBe('script a');
});

test('the server is asked for the page first, so a new one is seen at once', async () => {
  const { keeper: one, answers } = keeper(whole());
  await one.install();
  answers['/'] = 'page b';
  expect(await textOf(one.answer(request('/')))).toBe('page b');
  expect(await textOf(one.answer(request('/'), Promise.resolve(new Response('asked ahead'))))).toBe('asked ahead');
});

test('a server that is slow, or a proxy that says it is away, opens the kept page', async () => {
  const slow = keeper(whole(), { isSlow: true });
  await slow.keeper.install();
  slow.answers['/'] = 'never';
  expect(await textOf(slow.keeper.answer(request('/')))).toBe('page a');
  const proxied = keeper(whole());
  await proxied.keeper.install();
  proxied.answers['/'] = 502;
  expect(await textOf(proxied.keeper.answer(request('/')))).toBe('page a');
  expect(limitMs).toBe(3_000);
});

test('a refused ask-ahead is a server that is away', async () => {
  const { keeper: one } = keeper(whole());
  await one.install();
  expect(await textOf(one.answer(request('/'), Promise.reject(new TypeError('no network'))))).toBe('page a');
});

test('where nothing is kept, what the server says is passed on', async () => {
  const { keeper: one, answers } = keeper({ '/': 503 });
  expect((await one.answer(request('/')))?.status).toBe(503);
  answers['/'] = new TypeError('no network');
  await expect(one.answer(request('/'))).rejects.toThrow('no network');
});

test.each([
  ['/api/v1/session', {}], ['/api/v1/session', { mode: 'cors' }], ['/ws', {}], ['/metrics', {}], ['/elsewhere', {}],
  ['/assets/of-another-build.js', { mode: 'cors' }], ['/theme.js', { mode: 'no-cors' }],
  ['/', { method: 'POST' }], ['/', { from: 'https://other.example' }], ['/assets/a.js', { mode: 'cors', from: 'https://other.example' }],
])('%s %o is not touched', async (path, how) => {
  const { keeper: one, asked } = keeper(whole());
  await one.install();
  const before = asked.length;
  expect(one.answer(request(path, how))).toBeUndefined();
  expect(asked.length).toBe(before);
});

test('nothing is installed when the server has another build by now, or a file is missing', async () => {
  for (const answers of [{ ...whole(), '/': 'page b' }, { ...whole(), '/assets/a.js': 404 }]) {
    const { keeper: one, caches } = keeper(answers);
    await expect(one.install()).rejects.toThrow();
    expect([...caches.kept.keys()]).toEqual([]);
  }
});

test('a new build removes what the old one kept, and nothing of others', async () => {
  const caches = new Caches();
  await keeper(whole(), { caches }).keeper.install();
  await caches.open('somebody else');
  const next = keeper({ ...whole(), '/': 'page b' }, { caches, hash: 'b', index: 'page b' });
  await next.keeper.install();
  expect([...caches.kept.keys()]).toHaveLength(3);
  await next.keeper.activate();
  expect([...caches.kept.keys()]).toEqual(['somebody else', 'moorline-shell-b']);
});

test('the policy admits the worker and nothing else', () => {
  expect(admit('/sw.js')).toBe('/sw.js');
  for (const other of ['/sw.js?x', 'https://other.example/sw.js', '/assets/a.js', '']) expect(() => admit(other)).toThrow(TypeError);
});
