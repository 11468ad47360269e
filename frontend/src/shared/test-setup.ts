import "fake-indexeddb/auto";
import { cleanup } from "@testing-library/react";
import { afterEach } from "vitest";
import "./texts/i18n";

afterEach(() => {
  cleanup();
});
