import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { gatherer } from "./events";

describe("the gatherer of changes", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("hands over once, after a quiet moment", () => {
    const handOver = vi.fn();
    const gathered = gatherer(handOver, 500, 2500);
    gathered.add(["jobs"]);
    vi.advanceTimersByTime(400);
    gathered.add(["jobs", "tasks"]);
    vi.advanceTimersByTime(499);
    expect(handOver).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(handOver).toHaveBeenCalledExactlyOnceWith(new Set(["jobs", "tasks"]));
  });

  it("does not wait for ever while changes keep coming", () => {
    const handOver = vi.fn();
    const gathered = gatherer(handOver, 500, 2500);
    for (let ms = 0; ms < 2600; ms += 100) {
      gathered.add(["jobs"]);
      vi.advanceTimersByTime(100);
    }
    expect(handOver).toHaveBeenCalledTimes(1);
  });

  it("hands over nothing after it was stopped", () => {
    const handOver = vi.fn();
    const gathered = gatherer(handOver, 500, 2500);
    gathered.add(["jobs"]);
    gathered.stop();
    vi.advanceTimersByTime(5000);
    expect(handOver).not.toHaveBeenCalled();
  });
});
