import { I18nProvider } from "@lingui/react";
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

function show(onTakeBack: ((person: Schema<"PersonOnTask">) => void) | null) {
  return render(
    <I18nProvider i18n={i18n}>
      <table>
        <tbody>
          <ProgressTableRow row={ROW} onTakeBack={onTakeBack} />
        </tbody>
      </table>
    </I18nProvider>,
  );
}

describe("a task in the table", () => {
  it("names what is missing, and offers the mask", () => {
    show(null);
    expect(screen.getByText("slices 12 to 18 not looked at")).toBeTruthy();
    expect(screen.getByText("end above slice 77 not looked at")).toBeTruthy();
    expect(screen.getByText("0 of 2")).toBeTruthy();
    const mask = screen.getByRole("link", { name: "Download the mask of Liver in case_1 by Ana" });
    expect(mask.getAttribute("href")).toBe("/api/v1/segmentations/m/file");
  });

  it("lets only an admin take a task back", async () => {
    show(null);
    expect(screen.queryByRole("button", { name: /back from Ana/ })).toBeNull();
    const takeBack = vi.fn();
    show(takeBack);
    await userEvent.click(screen.getByRole("button", { name: "Take back Liver in case_1 from Ana" }));
    expect(takeBack).toHaveBeenCalledWith(ROW.people[0]);
  });
});
