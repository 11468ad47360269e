import { describe, expect, it } from "vitest";
import { mayChange, pageOfPath, pagesOf } from "./roles";

describe("pages by role", () => {
  it("shows an admin everything, and those who only read no page that changes something", () => {
    expect(pagesOf("admin")).toContain("settings");
    expect(pagesOf("researcher")).toEqual([
      "progress",
      "masks",
      "review",
      "quality",
      "datasets",
      "trainings",
      "evaluations",
      "report",
    ]);
    expect(pagesOf("reviewer")).toEqual(["progress", "masks", "review", "quality"]);
    expect(pagesOf("annotator")).toEqual([]);
    expect(mayChange("researcher")).toBe(false);
    expect(mayChange(undefined)).toBe(false);
    expect(mayChange("admin")).toBe(true);
  });

  it("knows which page an address shows", () => {
    expect(pageOfPath("/admin/projects/p1", "p1")).toBe("progress");
    expect(pageOfPath("/admin/projects/p1/", "p1")).toBe("progress");
    expect(pageOfPath("/admin/projects/p1/people", "p1")).toBe("people");
    expect(pageOfPath("/admin/projects/p1/scans/v1", "p1")).toBe("scans");
    expect(pageOfPath("/admin/projects/p1/nothing", "p1")).toBeNull();
    expect(pageOfPath("/admin/projects/p12", "p1")).toBeNull();
    expect(pageOfPath("/tasks", "p1")).toBeNull();
  });
});
