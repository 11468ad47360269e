import { expect, it, vi } from "vitest";
import { HandOver } from "./hand-over";

it("asks the other tabs of the same task, and only those", async () => {
  const [asked, other, own] = [vi.fn(), vi.fn(), vi.fn()];
  const tabs = [new HandOver("a", asked), new HandOver("b", other)];
  const asking = new HandOver("a", own);
  asking.ask();
  await vi.waitFor(() => expect(asked).toHaveBeenCalledTimes(1));
  expect(other).not.toHaveBeenCalled();
  expect(own).not.toHaveBeenCalled();
  for (const tab of [...tabs, asking]) tab.close();
});
