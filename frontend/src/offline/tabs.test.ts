import { afterEach, expect, test, vi } from "vitest";
import { type TabRole, TabSession } from "./tabs";

/** Web Locks as far as this needs them: one holder for a name, the others in line. */
function fakeLocks(): LockManager {
  const lines = new Map<string, Promise<unknown>>();
  const held = new Set<string>();
  async function hold(name: string, work: (lock: unknown) => unknown): Promise<unknown> {
    held.add(name);
    try {
      return await work({ name });
    } finally {
      held.delete(name);
    }
  }
  const request = (
    name: string,
    options: LockOptions,
    work: (lock: unknown) => unknown,
  ): Promise<unknown> => {
    if (options.ifAvailable) {
      if (held.has(name)) return Promise.resolve(work(null));
      const running = hold(name, work);
      lines.set(name, running);
      return running;
    }
    return (lines.get(name) ?? Promise.resolve()).then(() => {
      if (options.signal?.aborted) throw options.signal.reason;
      return hold(name, work);
    });
  };
  return { request } as unknown as LockManager;
}

afterEach(() => vi.unstubAllGlobals());

test("one tab works, the next only looks, and takes over when the first is closed", async () => {
  vi.stubGlobal("navigator", { locks: fakeLocks() });
  const one: TabRole[] = [];
  const two: TabRole[] = [];
  const first = new TabSession({ annotation: "a", onRole: (role) => one.push(role) });
  await vi.waitFor(() => expect(one).toEqual(["waiting", "leader"]));
  const second = new TabSession({ annotation: "a", onRole: (role) => two.push(role) });
  await vi.waitFor(() => expect(two).toEqual(["waiting", "follower"]));
  first.close();
  await vi.waitFor(() => expect(two.at(-1)).toBe("leader"));
  second.close();
});

test("a tab hears what the other one saved", async () => {
  vi.stubGlobal("navigator", {});
  const heard = vi.fn();
  const roles: TabRole[] = [];
  const one = new TabSession({ annotation: "b", onRole: (role) => roles.push(role) });
  const two = new TabSession({ annotation: "b", onRole: () => undefined, onSaved: heard });
  one.tellSaved(7);
  await vi.waitFor(() => expect(heard).toHaveBeenCalledWith(7));
  expect(roles).toEqual(["leader"]);
  one.close();
  two.close();
});
