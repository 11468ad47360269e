import { I18nProvider } from "@lingui/react";
import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { type ReactNode, useState } from "react";
import { expect, test, vi } from "vitest";
import { i18n } from "../texts/i18n";
import { Button } from "./button";
import { Dialog } from "./dialog";
import { Field } from "./field";
import { Menu } from "./menu";
import { ProgressBar } from "./progress-bar";
import { SecretLink } from "./secret-link";
import { ToastProvider, useToasts } from "./toast";

function show(children: ReactNode) {
  return render(
    <I18nProvider i18n={i18n}>
      <ToastProvider>{children}</ToastProvider>
    </I18nProvider>,
  );
}

test("a button that is off can be reached and read, and does nothing", async () => {
  const pressed = vi.fn();
  show(
    <Button disabled onClick={pressed}>
      Hand in
    </Button>,
  );
  await userEvent.tab();
  expect(document.activeElement).toBe(screen.getByRole("button", { name: "Hand in" }));
  await userEvent.keyboard("{Enter}");
  expect(pressed).not.toHaveBeenCalled();
});

test("a menu is used with the keyboard alone and gives the focus back", async () => {
  const chosen = vi.fn();
  show(
    <Menu
      label="More"
      entries={[
        { id: "bone", label: "Bone", onSelect: () => chosen("bone") },
        { id: "lung", label: "Lung", onSelect: () => chosen("lung"), checked: true },
      ]}
    />,
  );
  await userEvent.tab();
  await userEvent.keyboard("{Enter}");
  expect(screen.getByRole("menuitem", { name: "Bone" })).toBe(document.activeElement);
  await userEvent.keyboard("{ArrowDown}");
  expect(screen.getByRole("menuitemradio", { name: "Lung" })).toBe(document.activeElement);
  await userEvent.keyboard("{ArrowDown}l{Enter}");
  expect(chosen).toHaveBeenCalledExactlyOnceWith("lung");
  expect(screen.queryByRole("menu")).toBeNull();
  expect(document.activeElement).toBe(screen.getByRole("button", { name: "More" }));
  await userEvent.keyboard("{Enter}{Escape}");
  expect(screen.queryByRole("menu")).toBeNull();
});

test("a dialog is named by its title and asks to be closed", async () => {
  function Example() {
    const [open, setOpen] = useState(true);
    return (
      <Dialog open={open} onClose={() => setOpen(false)} title="Two slices are left">
        <p>Go to the first one?</p>
      </Dialog>
    );
  }
  show(<Example />);
  expect(screen.getByRole("dialog", { name: "Two slices are left" })).toBeTruthy();
  await userEvent.click(screen.getByRole("button", { name: "Close" }));
  expect(screen.queryByText("Go to the first one?")).toBeNull();
});

test("a note is shown and can be acted on; an announcement is only read out", async () => {
  const undone = vi.fn();
  function Example() {
    const toasts = useToasts();
    return (
      <>
        <Button
          onClick={() => toasts.show({ text: "Box removed", action: { label: "Undo", onSelect: undone } })}
        >
          Remove
        </Button>
        <Button onClick={() => toasts.announce("Slice 12 of 40")}>Next</Button>
      </>
    );
  }
  show(<Example />);
  await userEvent.click(screen.getByRole("button", { name: "Remove" }));
  await userEvent.click(screen.getByRole("button", { name: "Undo" }));
  expect(undone).toHaveBeenCalledOnce();
  expect(screen.queryByText("Box removed")).toBeNull();
  await userEvent.click(screen.getByRole("button", { name: "Next" }));
  expect(screen.getByTestId("announcements").textContent).toBe("Slice 12 of 40");
});

test("a field's error belongs to the field", () => {
  show(<Field label="E-mail" error="This is no address." />);
  const field = screen.getByLabelText("E-mail");
  expect(field.getAttribute("aria-invalid")).toBe("true");
  const note = document.getElementById(field.getAttribute("aria-describedby") ?? "");
  expect(note?.textContent).toBe("This is no address.");
});

test("progress has a name and numbers", () => {
  show(<ProgressBar label="Your work" value={12} max={40} valueText="12 of 40 slices" />);
  const bar = screen.getByRole("progressbar", { name: "Your work" });
  expect(bar.getAttribute("aria-valuetext")).toBe("12 of 40 slices");
});

test("a link is a picture for phones, unless it leads nowhere but to this computer", () => {
  const { unmount } = show(<SecretLink url="https://crowd.example.org/join#x" label="Invitation link" />);
  expect(screen.getByRole("img", { name: /phone's camera/ })).toBeTruthy();
  expect(screen.queryByText(/on this computer only/)).toBeNull();
  unmount();
  show(<SecretLink url="http://localhost:8000/join#x" label="Invitation link" />);
  expect(screen.queryByRole("img")).toBeNull();
  expect(screen.getByText(/on this computer only/)).toBeTruthy();
});
