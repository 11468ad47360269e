import "fake-indexeddb/auto";
import { cleanup, configure } from "@testing-library/react";
import { afterEach } from "vitest";
import "./texts/i18n";

// As vite.config.ts has it for a whole test: a bound against hanging.
configure({ asyncUtilTimeout: 60_000 });

afterEach(() => {
  cleanup();
});
