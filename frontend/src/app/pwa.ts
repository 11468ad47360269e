/** The service worker keeps the app's shell, never an answer of the API. */

type Listener = () => void;
const waiting = new Set<Listener>();
let newer: ServiceWorker | null = null;

export function registerServiceWorker(): void {
  if (!import.meta.env.PROD || !("serviceWorker" in navigator)) return;
  // Without it (a private window, a full disk) the pages come from the network.
  navigator.serviceWorker.register("/sw.js").then(watch, () => undefined);
}

function watch(registration: ServiceWorkerRegistration): void {
  const { waiting: kept } = registration;
  if (kept !== null) tell(kept);
  registration.addEventListener("updatefound", () => {
    const { installing } = registration;
    installing?.addEventListener("statechange", () => {
      if (installing.state === "installed") tell(installing);
    });
  });
}

/** A version waits beside the one that these pages run on. The very first one replaces nothing. */
function tell(worker: ServiceWorker): void {
  const { serviceWorker } = navigator;
  if (serviceWorker.controller === null) return;
  // In every tab: its own pages are of the version that goes.
  if (newer === null) serviceWorker.addEventListener("controllerchange", () => location.reload());
  newer = worker;
  for (const listener of waiting) listener();
}

/** Be told when a newer version waits. For useSyncExternalStore. */
export function subscribeToUpdate(listener: Listener): () => void {
  waiting.add(listener);
  return () => waiting.delete(listener);
}

export function isUpdateReady(): boolean {
  return newer !== null;
}

/** Take the newer version: reloads the page. Call it only where nothing unsent can be lost (the queue survives it). */
export function applyUpdate(): void {
  newer?.postMessage({ type: "SKIP_WAITING" });
}
