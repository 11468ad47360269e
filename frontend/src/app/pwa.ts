/** The service worker keeps the app's shell, never an answer of the API. */
import { registerSW } from "virtual:pwa-register";

type Listener = () => void;
const waiting = new Set<Listener>();
let update: ((reload?: boolean) => Promise<void>) | null = null;
let isReady = false;

export function registerServiceWorker(): void {
  if (!import.meta.env.PROD || !("serviceWorker" in navigator)) return;
  update = registerSW({
    onNeedRefresh() {
      isReady = true;
      for (const listener of waiting) listener();
    },
  });
}

/** Be told when a newer version waits. For useSyncExternalStore. */
export function subscribeToUpdate(listener: Listener): () => void {
  waiting.add(listener);
  return () => waiting.delete(listener);
}

export function isUpdateReady(): boolean {
  return isReady;
}

/** Take the newer version: reloads the page. Call it only where nothing unsent can be lost (the queue survives it). */
export function applyUpdate(): void {
  void update?.(true);
}
