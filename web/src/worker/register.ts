// Asks the browser to keep the page by a service worker. Called once by main.ts, after the page has loaded.
// It never disturbs anybody: where it cannot be done, the console says why and the page works as before, online.

const url = '/sw.js';
/** The first load has the network for itself. */
const restMs = 1_000;

/** Trusted Types, which TypeScript's DOM types leave out. */
interface Policies {
  createPolicy(name: string, rules: { createScriptURL: (wanted: string) => string }): { createScriptURL(wanted: string): string };
}

/** The only address of a script that the page may give to the browser. */
export function admit(wanted: string): string {
  if (wanted !== url) throw new TypeError(`${wanted} is not the page's service worker.`);
  return wanted;
}

/** Registers the worker a moment after the load. Without a secure address (HTTPS, or localhost) browsers have none. */
export function keepPage(): void {
  if (!isSecureContext || !('serviceWorker' in navigator)) return;
  const later = () => setTimeout(() => void register(), restMs);
  if (document.readyState === 'complete') later();
  else addEventListener('load', later, { once: true });
}

async function register(): Promise<void> {
  try {
    const policies = (globalThis as { trustedTypes?: Policies }).trustedTypes;
    const script = policies?.createPolicy('moorline-worker', { createScriptURL: admit }).createScriptURL(url) ?? url;
    // Asked for anew at each load, past the browser's cache: a new build is found at once.
    await navigator.serviceWorker.register(script, { scope: '/', updateViaCache: 'none' });
  } catch (error) {
    console.info('The page is not kept for times without the server:', error);
  }
}
