import { afterEach, beforeEach, expect, it, vi } from "vitest";

class Worker extends EventTarget {
  state = "installing";
  readonly said: unknown[] = [];
  postMessage(message: unknown): void {
    this.said.push(message);
  }
}
class Registration extends EventTarget {
  waiting: Worker | null = null;
  installing: Worker | null = null;
}
class Container extends EventTarget {
  controller: object | null = {};
  readonly registered: string[] = [];
  readonly registration = new Registration();
  async register(address: string): Promise<Registration> {
    this.registered.push(address);
    return this.registration;
  }
}

let container: Container;
const reload = vi.fn();

beforeEach(() => {
  container = new Container();
  vi.resetModules();
  vi.stubEnv("PROD", true);
  vi.stubGlobal("navigator", { serviceWorker: container });
  vi.stubGlobal("location", { reload });
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.unstubAllEnvs();
  reload.mockClear();
});

async function registered(): Promise<typeof import("./pwa")> {
  const pwa = await import("./pwa");
  pwa.registerServiceWorker();
  await Promise.resolve();
  return pwa;
}

function install(): Worker {
  const worker = new Worker();
  container.registration.installing = worker;
  container.registration.dispatchEvent(new Event("updatefound"));
  worker.state = "installed";
  worker.dispatchEvent(new Event("statechange"));
  return worker;
}

it("says that a newer version waits, and takes it when the person agrees", async () => {
  const pwa = await registered();
  expect(container.registered).toEqual(["/sw.js"]);
  const heard = vi.fn();
  pwa.subscribeToUpdate(heard);
  expect(pwa.isUpdateReady()).toBe(false);

  const worker = install();
  expect(heard).toHaveBeenCalledTimes(1);
  expect(pwa.isUpdateReady()).toBe(true);
  expect([worker.said, reload.mock.calls]).toEqual([[], []]);

  pwa.applyUpdate();
  expect(worker.said).toEqual([{ type: "SKIP_WAITING" }]);
  container.dispatchEvent(new Event("controllerchange"));
  expect(reload).toHaveBeenCalledTimes(1);
});

it("says so of a version that has waited since an earlier visit", async () => {
  container.registration.waiting = new Worker();
  expect((await registered()).isUpdateReady()).toBe(true);
});

it("does not call the first version an update, and does not reload for it", async () => {
  container.controller = null;
  const pwa = await registered();
  install();
  container.dispatchEvent(new Event("controllerchange"));
  expect([pwa.isUpdateReady(), reload.mock.calls]).toEqual([false, []]);
});
