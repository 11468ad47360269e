// How much JavaScript a person downloads before each page can be used, gzip. Run after `npm run build`. Exit code 1 when
// a budget is exceeded. Counted is what a page imports, what it imports lazily, and its workers; only the lazy imports of
// LATER are left out, each of which the page can be used without.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const KB = 1000;
const dist = join(dirname(fileURLToPath(import.meta.url)), "..", "dist");
const manifest = JSON.parse(readFileSync(join(dist, ".vite", "manifest.json"), "utf8"));

const ENTRY = "index.html";
const ROUTES = "src/app/routes/";
const ADMIN_LAYOUT = `${ROUTES}admin/layout.tsx`;
const ANNOTATOR = ["sign-in", "invite", "tasks", "account", "workspace"].map(
  (name) => `${ROUTES}${name}.tsx`,
);
const ADMIN = Object.keys(manifest).filter((key) => key.startsWith(`${ROUTES}admin/`));

/** Lazy imports that a page can be used without, and when they come. */
const LATER = {
  "src/features/annotate/panels.tsx": "when a panel is opened, else 1.5 s after the picture",
  "src/features/annotate/notices.tsx": "1.5 s after the picture",
  "src/features/annotate/preview.tsx": "1.5 s after the picture",
  "src/features/annotate/handed-in.tsx": "after submitting",
  "src/features/annotate/mask.ts": "after submitting",
  "src/features/review/volume-3d.tsx": "with the scan, in browsers that can show 3D",
};

/** Keys and all that they import; lazy imports too, as far as `isCounted` says so. */
function reachable(keys, isCounted) {
  const found = new Set();
  const open = [...keys];
  while (open.length > 0) {
    const key = open.pop();
    if (found.has(key)) continue;
    const chunk = manifest[key];
    if (chunk === undefined) throw new Error(`The manifest has no ${key}: was it renamed?`);
    found.add(key);
    open.push(...(chunk.imports ?? []), ...(chunk.dynamicImports ?? []).filter(isCounted));
  }
  return found;
}

// Another route is another page.
const isOfThePage = (key) => !key.startsWith(ROUTES);
const isNeeded = (key) => isOfThePage(key) && LATER[key] === undefined;
// Pages with a frame of their own (src/app/root-layout.tsx) never load what stands in the others'.
const IN_FRAME = "src/app/saving-note.tsx";
const unframed = (isCounted) => (key) => key !== IN_FRAME && isCounted(key);

const sizes = new Map();
function gzipSize(file) {
  if (!sizes.has(file)) sizes.set(file, gzipSync(readFileSync(join(dist, file)), { level: 9 }).length);
  return sizes.get(file);
}

/** Bytes of JavaScript, gzip. */
function measured(keys, isCounted = isNeeded) {
  const chunks = [...reachable(keys, isCounted)].map((key) => manifest[key]);
  // Workers stand among a chunk's assets.
  const files = new Set(chunks.flatMap(({ file, assets = [] }) => [file, ...assets]));
  return [...files].filter((file) => file.endsWith(".js")).reduce((sum, file) => sum + gzipSize(file), 0);
}

for (const key of [IN_FRAME, ...Object.keys(LATER)]) reachable([key], () => false);

const WORKSPACE = `${ROUTES}workspace.tsx`;
const groups = [
  ...ANNOTATOR.map((key) => ({
    name: key,
    used: measured([ENTRY, key], key === WORKSPACE ? unframed(isNeeded) : isNeeded),
    limit: 150 * KB,
  })),
  ...ADMIN.map((key) => ({
    name: key,
    used: measured([ENTRY, ADMIN_LAYOUT, key], unframed(isNeeded)),
    limit: 350 * KB,
  })),
  { name: "admin, all pages", used: measured([ENTRY, ...ADMIN]), limit: 350 * KB },
  // For comparison.
  { name: "workspace, with all of later", used: measured([ENTRY, WORKSPACE], unframed(isOfThePage)) },
  { name: "annotator, all pages", used: measured([ENTRY, ...ANNOTATOR]) },
];

let exceeded = false;
console.log("JavaScript, gzip, kB            used  limit");
for (const { name, used, limit } of groups) {
  const isOver = limit !== undefined && used > limit;
  exceeded ||= isOver;
  const shown = name.replace(ROUTES, "").padEnd(28);
  const allowed = (limit === undefined ? "-" : (limit / KB).toFixed(0)).padStart(6);
  console.log(`${shown} ${(used / KB).toFixed(1).padStart(7)} ${allowed}${isOver ? "  EXCEEDED" : ""}`);
}
// Chunks with Mantine or an admin page in them are called so by vite.config.ts.
const leaked = [...reachable([ENTRY, ...ANNOTATOR], isOfThePage)].filter((key) =>
  manifest[key].file.includes("/admin-"),
);
for (const key of leaked) console.error(`${manifest[key].file} is loaded by annotators' pages.`);
process.exitCode = exceeded || leaked.length > 0 ? 1 : 0;
