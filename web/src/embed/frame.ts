// The page `/embed`: one room and nothing else, for an iframe. Told by the loader of the page around it over a message port, or by its
// address: `#room=…`, `&token=…`, `&theme=…`, `&lang=…`. Which pages may frame it says the server's --embed-origin.
import type { GetToken, WidgetLook } from '@moorline/client/element/contract';
import type { FromFrame, Greeting, Hello, ToFrame } from '@moorline/client/element/frame';
import { mount } from './mount.ts';

const hello: Hello = 'moorline:hello';
const asked = new URLSearchParams(location.hash.slice(1));
const box = document.createElement('div');
box.className = 'box';
const host = document.createElement('div');
const around = new CSSStyleSheet();
around.replaceSync('html,body{margin:0;block-size:100%}body>div{block-size:100dvh}.box{display:grid;grid-template:minmax(0,1fr)/minmax(0,1fr);block-size:100%;container-type:size}');
document.adoptedStyleSheets = [around];
const root = host.attachShadow({ mode: 'open' });
root.adoptedStyleSheets = [around];
root.append(box);
document.body.append(host);

if (asked.has('port')) greet();
else alone();

/** What the address says. A token does not stay in it. */
function alone(): void {
  const [room, token] = [asked.get('room') ?? '', asked.get('token')];
  asked.delete('token');
  history.replaceState(null, '', `#${asked}`);
  const theme = asked.get('theme');
  const look: WidgetLook = { theme: theme === 'light' || theme === 'dark' ? theme : 'system', language: asked.get('lang') ?? undefined, isOpen: true };
  const getToken: GetToken | undefined = token === null ? undefined : async (why) => {
    if (why === 'refused') throw Object.assign(new Error('The token is over.'), { retryable: false });
    return token;
  };
  mount(box, { ...look, server: location.origin, room, getToken, isWhole: true }, () => undefined);
}

/** Says hello to the page around, which answers with the port; only a page that may frame this one can. */
function greet(): void {
  addEventListener('message', function heard({ source, data, ports }: MessageEvent<Greeting>) {
    const [port] = ports;
    if (source !== parent || !port) return;
    removeEventListener('message', heard);
    serve(data, port);
  });
  parent.postMessage(hello, '*');
}

function serve({ room, look, hasToken, canClose }: Greeting, port: MessagePort): void {
  const say = (message: FromFrame) => port.postMessage(message);
  const waiting = new Map<number, (answer: ToFrame & { is: 'token' }) => void>();
  let last = 0;
  const getToken: GetToken = (why) => new Promise((resolve, reject) => {
    last += 1;
    waiting.set(last, ({ token, error, retryable }) => (token === undefined ? reject(Object.assign(new Error(error), { retryable })) : resolve(token)));
    say({ is: 'token', id: last, why });
  });
  const options = { ...look, server: location.origin, room, isWhole: true };
  const widget = mount(box, {
    ...options,
    getToken: hasToken ? getToken : undefined,
    onclose: canClose ? () => say({ is: 'close' }) : undefined,
  }, (name, detail) => say({ is: 'event', name: name as never, detail: detail as never }));
  port.onmessage = ({ data }: MessageEvent<ToFrame>) => {
    if (data.is === 'look') widget.update(data.look);
    else if (data.is === 'focus') widget.focus();
    else {
      waiting.get(data.id)?.(data);
      waiting.delete(data.id);
    }
  };
}
