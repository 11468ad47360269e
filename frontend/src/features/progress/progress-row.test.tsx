import { I18nProvider } from "@lingui/react";
import { createMemoryHistory, createRootRoute, createRouter, RouterProvider } from "@tanstack/react-router";
import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it, vi } from "vitest";
import type { Schema } from "@/api/queries";
import { i18n } from "@/shared/texts/i18n";
import { ProgressTableRow } from "./progress-row";

const ROW: Schema<"ProgressRow"> = {
  task_id: "t",
  volume_id: "v",
  volume_name: "case_1",
  n_slices: 130,
  label_index: 1,
  label_name: "Liver",
  state: "open",
  submitted: 0,
  needed: 2,
  share: 0.3,
  agreement: null,
  people: [
    {
      assignment_id: "s",
      account_id: "a",
      name: "Ana",
      state: "reserved",
      lease_until: "2026-05-04T15:40:00Z",
      assigned: true,
      late: false,
      annotation_id: "n",
      annotation_state: "open",
      share: 0.6,
      holes: [[11, 17]],
      unverified_ends: [[77, 129]],
      suggested: [],
      not_in_volume: false,
      submitted_at: null,
      mask_state: "done",
      segmentation_id: "m",
    },
  ],
};

function table(row: Schema<"ProgressRow">, onTakeBack: ((person: Schema<"PersonOnTask">) => void) | null) {
  return (
    <I18nProvider i18n={i18n}>
      <table>
        <tbody>
          <ProgressTableRow row={row} projectId="p1" onTakeBack={onTakeBack} />
        </tbody>
      </table>
    </I18nProvider>
  );
}

async function show(
  onTakeBack: ((person: Schema<"PersonOnTask">) => void) | null = null,
  row: Schema<"ProgressRow"> = ROW,
) {
  const router = createRouter({
    routeTree: createRootRoute({ component: () => table(row, onTakeBack) }),
    history: createMemoryHistory(),
  });
  const shown = render(<RouterProvider router={router as never} />);
  await screen.findByText(row.label_name);
  return shown;
}

describe("a task in the table", () => {
  it("names what is missing, and offers the mask", async () => {
    await show();
    expect(screen.getByText("slices 12 to 18 not looked at")).toBeTruthy();
    expect(screen.getByText("end above slice 77 not looked at")).toBeTruthy();
    expect(screen.getByText("0 of 2")).toBeTruthy();
    const mask = screen.getByRole("link", { name: "Download mask of Liver in case_1 by Ana" });
    expect(mask.getAttribute("href")).toBe("/api/v1/segmentations/m/file");
    const review = screen.getByRole("link", { name: "Review the mask of Liver in case_1 by Ana" });
    expect(review.getAttribute("href")).toBe("/admin/projects/p1/review?volume=v&label=1&mask=m");
  });

  it("says how alike the boxes are of those who agree least, and leads to all pairs", async () => {
    await show(null, { ...ROW, agreement: { lowest: 0.4567, pairs: 3 } });
    const link = screen.getByRole("link", { name: "Agreement about Liver in case_1: 0.457" });
    expect(link.getAttribute("href")).toBe("/admin/projects/p1/quality");
    expect(screen.getByText("lowest of 3 pairs")).toBeTruthy();
  });

  it("lets only an admin take a task back", async () => {
    const { unmount } = await show();
    expect(screen.queryByRole("button", { name: /back from Ana/ })).toBeNull();
    unmount();
    const takeBack = vi.fn();
    await show(takeBack);
    await userEvent.click(screen.getByRole("button", { name: "Take back Liver in case_1 from Ana" }));
    expect(takeBack).toHaveBeenCalledWith(ROW.people[0]);
  });
});
