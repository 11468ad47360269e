// Who may import whom in src/. A rule that is broken ends with exit code 1 and names the line.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

const MANTINE_FEATURES = [
  "projects",
  "volumes",
  "members",
  "progress",
  "quality",
  "exports",
  "trainings",
  "evaluations",
  "review",
  "jobs",
];
const IMPORT =
  /(?:^|[\s;])(?:import|export)\s(?:[^"'();]*?\sfrom\s)?\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/g;

/** The modules that a source text imports, with their line numbers. */
export function importsOf(text) {
  const found = [];
  for (const match of text.matchAll(IMPORT)) {
    const at = (match.index ?? 0) + match[0].search(/\S/);
    found.push({ module: match[1] ?? match[2], line: text.slice(0, at).split("\n").length });
  }
  return found;
}

/** A module inside src as a path from it ("canvas/hit"), or null for a package. */
export function resolved(file, module) {
  if (module.startsWith("@/")) return module.slice(2);
  if (module.startsWith(".")) return posix.normalize(posix.join(posix.dirname(file), module));
  return null;
}

/** Why `file` (from src, with /) may not import `module`; null when it may. */
export function broken(file, module) {
  const [area, feature] = file.split("/");
  const target = resolved(file, module);
  const isReact = /^(react|react-dom|@lingui\/react|@tanstack\/react-[a-z]+|zustand)(\/|$)/.test(module);
  const isTest = /\.test\.tsx?$/.test(file);

  if ((area === "canvas" || area === "offline") && isReact) return `${area} knows no React`;
  if (/^@mantine\//.test(module)) {
    const isAdminRoute = file.startsWith("app/routes/admin/");
    const mayUse = isAdminRoute || (area === "features" && MANTINE_FEATURES.includes(feature));
    if (!mayUse) return "only the pages of admins and researchers use Mantine";
  }
  if (target === null) return null;
  const [targetArea, targetFeature] = target.split("/");
  if (area === "features" && targetArea === "features" && targetFeature !== feature) {
    return "features do not import each other: put what both need into shared";
  }
  if (area === "canvas" && targetArea !== "canvas") return "canvas imports nothing else of ours";
  if (area === "offline" && !["offline", "canvas"].includes(targetArea)) return "offline imports only canvas";
  if (area === "shared" && targetArea !== "shared" && !isTest) return "shared imports only shared";
  if (area === "api" && !["api", "offline", "canvas"].includes(targetArea)) return "api knows no screen";
  if (area !== "app" && targetArea === "app") return "only app imports app";
  return null;
}

function* sources(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* sources(path);
    else if (/\.tsx?$/.test(entry.name)) yield path;
  }
}

/** Every broken rule below `root`, as lines of text. */
export function check(root) {
  const complaints = [];
  for (const path of sources(root)) {
    const file = relative(root, path).split(sep).join("/");
    for (const { module, line } of importsOf(readFileSync(path, "utf8"))) {
      const why = broken(file, module);
      if (why !== null) complaints.push(`src/${file}:${line} imports ${module}: ${why}`);
    }
  }
  return complaints;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = join(dirname(fileURLToPath(import.meta.url)), "..", "src");
  const complaints = check(root);
  for (const complaint of complaints) console.error(complaint);
  process.exitCode = complaints.length > 0 ? 1 : 0;
}
