// Development only: the page on made-up data. ?scene=first|loading|error|reconnecting|offline|signed-out|signup|unreachable picks the state.
import { mount } from 'svelte';
import '../src/style/tokens.css';
import '../src/style/base.css';
import '../src/style/frame.css';
import '../src/style/conversation.css';
import '../src/style/panels.css';
import '../src/style/pages.css';
import '../src/style/adapt.css';
import { Accounts, Refusal, type Device } from '../src/state/account.ts';
import { App } from '../src/state/app.svelte.ts';
import View from '../src/view/App.svelte';
import { fakeClient } from './client.ts';
import { me } from './fixtures.ts';

const scene = new URLSearchParams(location.search).get('scene') ?? 'live';
const hour = 3_600_000;

class FakeAccounts extends Accounts {
  override async door() {
    if (scene === 'unreachable') throw new Refusal('unreachable', '');
    const isOut = scene === 'signed-out' || scene === 'signup';
    return { user: isOut ? null : me, signup: 'open' as const, server: { name: 'moorline', version: '0.1.0' } };
  }
  override async signIn(): Promise<never> {
    throw new Refusal('bad_credentials', 'Name or password is not right.', 'password');
  }
  override async devices(): Promise<Device[]> {
    const agent = (system: string, browser: string) => `Mozilla/5.0 (${system}) ${browser}`;
    return [
      { id: '1', created: Date.now() - 480 * hour, seen: Date.now(), device: agent('X11; Linux x86_64', 'Chrome/156 Safari/537'), current: true },
      { id: '2', created: Date.now() - 600 * hour, seen: Date.now() - hour, device: agent('iPhone; like Mac OS X', 'Version/26 Safari/600'), current: false },
      { id: '3', created: Date.now() - 1900 * hour, seen: Date.now() - 260 * hour, device: agent('Windows NT 10.0', 'Firefox/140'), current: false },
    ];
  }
}

const app = new App({
  accounts: new FakeAccounts(),
  connect: () => fakeClient(scene),
  navigate: (hash) => { location.hash = hash; },
});
app.arrive(location.hash);
addEventListener('hashchange', () => app.arrive(location.hash));
mount(View, { target: document.body, props: { app } });
void app.start();
