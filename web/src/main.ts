// Starts the page: builds the state with the real surroundings and mounts the view on it.
import { createClient, indexedDbStore } from '@moorline/client';
import { mount } from 'svelte';
import './style/tokens.css';
import './style/base.css';
import './style/frame.css';
import './style/conversation.css';
import './style/panels.css';
import './style/pages.css';
import './style/adapt.css';
import { Accounts } from './state/account.ts';
import { App } from './state/app.svelte.ts';
import { deviceName } from './state/device.ts';
import { Line } from './state/line.svelte.ts';
import { Queue } from './state/queue.ts';
import View from './view/App.svelte';
import { keepPage } from './worker/register.ts';

const line = new Line();
const queue = new Queue(indexedDbStore());
const app = new App({
  accounts: new Accounts(),
  line,
  connect: (me) => createClient({ user: me.id, device: deviceName(navigator.userAgent), store: queue, environment: line.environment }),
  dropQueue: () => queue.drop(),
  navigate: (hash, isReplacing) => {
    if (isReplacing) {
      history.replaceState(null, '', hash);
      app.arrive(hash);
    } else {
      location.hash = hash;
    }
  },
});

app.arrive(location.hash);
addEventListener('hashchange', () => app.arrive(location.hash));
mount(View, { target: document.body, props: { app } });
void app.start();
if (import.meta.env.PROD) keepPage();
