import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { importsOf, resolved } from "./boundaries.mjs";

const SRC = join(dirname(fileURLToPath(import.meta.url)), "..", "src");
const LOCALES = "shared/texts/locales";

function fileOf(module: string): string | null {
  for (const ending of ["", ".ts", ".tsx"]) {
    if (/\.\w+$/.test(module + ending) && existsSync(join(SRC, module + ending))) return module + ending;
  }
  return null;
}

/** All files that a file leads to, itself among them; `into` says which ones are followed. */
function reached(from: readonly string[], into: (file: string) => boolean): Set<string> {
  const found = new Set<string>();
  const open = [...from];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (found.has(file)) continue;
    found.add(file);
    if (!/\.tsx?$/.test(file)) continue;
    for (const { module } of importsOf(readFileSync(join(SRC, file), "utf8"))) {
      const target = fileOf(resolved(file, module ?? "") ?? "");
      if (target !== null && into(target)) open.push(target);
    }
  }
  return found;
}

/** The files whose texts a catalogue has. */
function originsOf(catalogue: string): string[] {
  const text = readFileSync(join(SRC, catalogue), "utf8");
  return [...text.matchAll(/^#: (.*)$/gm)].flatMap(([, paths]) => (paths ?? "").split(" "));
}

const ROUTES = readdirSync(join(SRC, "app/routes"), { recursive: true, encoding: "utf8" })
  .map((path) => `app/routes/${path.replaceAll("\\", "/")}`)
  .filter((path) => /\.tsx$/.test(path) && !path.includes(".test."));
const CATALOGUES = readdirSync(join(SRC, LOCALES)).map((name) => `${LOCALES}/${name}/en.po`);
const ENTRY = reached(["app/main.tsx"], (file) => !file.startsWith("app/routes/"));

test.each(ROUTES)("%s brings the texts that it shows", (route) => {
  // The layout is always there before an admin's page.
  const starts = route.includes("/admin/") ? [route, "app/routes/admin/layout.tsx"] : [route];
  const files = new Set([...ENTRY, ...reached(starts, () => true)]);
  for (const catalogue of CATALOGUES.filter((path) => !files.has(path))) {
    const shown = originsOf(catalogue).filter((path) => files.has(path.replace("src/", "")));
    expect(shown, `${route} needs ${catalogue}`).toEqual([]);
  }
});
