import { expect, test } from 'vitest';
import { Accounts, Refusal } from '../src/state/account.ts';

const answering = (status: number, body?: unknown, headers: Record<string, string> = {}) =>
  new Accounts(async () => new Response(body === undefined ? null : JSON.stringify(body), { status, headers }));

async function refusalOf(run: Promise<unknown>): Promise<Refusal> {
  try {
    await run;
  } catch (error) {
    if (error instanceof Refusal) return error;
  }
  throw new Error('it was not refused');
}

test('a wrong password is told at the password', async () => {
  const refusal = await refusalOf(answering(401, { error: { code: 'bad_credentials', message: 'x' } }).signIn('ann', 'x'));
  expect([refusal.message, refusal.field]).toEqual(['Name or password is not right.', 'password']);
});

test('a name that is taken is told at the name', async () => {
  const refusal = await refusalOf(answering(409, { error: { code: 'name_taken', message: 'x' } }).signUp('Ann', 'ann', 'x'));
  expect(refusal.field).toBe('name');
  expect(refusal.message).toMatch(/taken/);
});

test('too many tries are told with the seconds to wait', async () => {
  const refusal = await refusalOf(answering(429, { error: { code: 'rate_limited', message: 'x', retry_after_ms: 31_000 } }).signIn('ann', 'x'));
  expect(refusal.message).toContain('31 seconds');
});

test('a server that cannot be reached is told as such', async () => {
  const refusal = await refusalOf(new Accounts(async () => { throw new TypeError('failed'); }).door());
  expect(refusal.code).toBe('unreachable');
});

test('an answer that is no JSON is still a plain sentence', async () => {
  const refusal = await refusalOf(new Accounts(async () => new Response('<html>502', { status: 502 })).door());
  expect(refusal.message).toMatch(/busy or restarting/);
});

test('this device comes first, then the ones used last', async () => {
  const session = (id: string, seen: number, current = false) => ({ id, created: 0, seen, current });
  const devices = await answering(200, { sessions: [session('a', 1), session('b', 9), session('c', 0, true)] }).devices();
  expect(devices.map((device) => device.id)).toEqual(['c', 'b', 'a']);
});

test('signing out sends JSON and takes an empty answer', async () => {
  const calls: [string, RequestInit | undefined][] = [];
  const accounts = new Accounts(async (url, init) => {
    calls.push([String(url), init]);
    return new Response(null, { status: 204 });
  });
  await accounts.signOut();
  expect(calls[0]?.[0]).toBe('/api/v1/logout');
  expect(calls[0]?.[1]?.method).toBe('POST');
  expect(new Headers(calls[0]?.[1]?.headers).get('content-type')).toBe('application/json');
});

test('a new name and an invitation are asked for as the server takes them', async () => {
  const calls: string[] = [];
  const accounts = new Accounts(async (url, init) => {
    calls.push(`${init?.method} ${String(url)} ${String(init?.body)}`);
    return new Response(JSON.stringify({ user: { id: 'u', name: 'Anna' }, invite: 'x.y.z', expires: 9 }), { status: 200 });
  });
  expect(await accounts.rename('Anna')).toEqual({ id: 'u', name: 'Anna' });
  expect((await accounts.invite()).invite).toBe('x.y.z');
  await accounts.signUp('Bob', 'bob', 'secret', 'x.y.z');
  expect(calls).toEqual([
    'PUT /api/v1/profile {"name":"Anna"}',
    'POST /api/v1/invites {}',
    'POST /api/v1/signup {"name":"bob","display":"Bob","password":"secret","invite":"x.y.z"}',
  ]);
});

test('an invitation that is over is told as such, and a closed server as closed', async () => {
  const closed = answering(403, { error: { code: 'signup_closed', message: 'x' } });
  expect((await refusalOf(closed.signUp('Bob', 'bob', 'secret', 'old'))).message).toMatch(/not good any more/);
  expect((await refusalOf(closed.signUp('Bob', 'bob', 'secret'))).message).toMatch(/closed/);
});
