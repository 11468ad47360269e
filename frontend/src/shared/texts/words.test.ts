import { existsSync, readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

/** Words of the code that no screen shows (the glossary has what to say instead). */
const NEVER =
  /\b(leases?|assignments?|tracks?|keyframes?|segmenters?|overlaps?|interpolated|propagated|unknown|absent|ground truth)\b/i;

const LOCALES = "src/shared/texts/locales";
const CATALOGUES = readdirSync(LOCALES)
  .map((name) => `${LOCALES}/${name}/en.po`)
  .filter((path) => existsSync(path));

test("there is a catalogue for every group of pages", () => {
  expect(CATALOGUES.length).toBeGreaterThanOrEqual(4);
});

test.each(CATALOGUES)("no screen uses the code's words: %s", (path) => {
  // A text may run over several lines of quotes; names in {braces} are not shown.
  const texts = [...readFileSync(path, "utf8").matchAll(/^msgid ((?:"(?:[^"\\]|\\.)*"\n?)+)/gm)].map(
    (match) => (match[1] ?? "").replace(/"\n"|^"|"\n?$/g, "").replace(/\{[^}]*\}/g, ""),
  );
  expect(texts.length).toBeGreaterThan(5);
  expect(texts.filter((text) => NEVER.test(text))).toEqual([]);
});
