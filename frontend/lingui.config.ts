import { defineConfig } from "@lingui/cli";
import { formatter } from "@lingui/format-po";

const ADMIN = [
  "src/app/routes/admin",
  ...[
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
  ].map((feature) => `src/features/${feature}`),
];
const ANNOTATE = ["src/features/annotate"];
// What opens over the picture. Those files import src/shared/texts/annotate-later themselves.
const ANNOTATE_LATER = [
  "dialogs",
  "handed-in",
  "more-drawer",
  "notices",
  "panels",
  "preview",
  "submit",
  "suggest",
].map((file) => `src/features/annotate/${file}.tsx`);
const PAGES = ["src/features/sign-in", "src/features/tasks", "src/features/account"];

/** Nobody downloads the texts of pages that they do not open. Loaded by the file of the same name in src/shared/texts. */
function catalogue(name: string, include: string[], except: readonly string[] = []) {
  return {
    path: `<rootDir>/src/shared/texts/locales/${name}/{locale}`,
    include,
    exclude: ["**/*.test.*", ...except.map((path) => (path.endsWith(".tsx") ? path : `${path}/**`))],
  };
}

export default defineConfig({
  sourceLocale: "en",
  locales: ["en"],
  catalogs: [
    // What is in none of the others, so that no text can be forgotten.
    catalogue("base", ["src"], [...ADMIN, ...ANNOTATE, ...PAGES]),
    catalogue("admin", ADMIN),
    catalogue("annotate", ANNOTATE, ANNOTATE_LATER),
    catalogue("annotate-later", ANNOTATE_LATER),
    catalogue("pages", PAGES),
  ],
  // Line numbers would change the catalogue with every edit of a file.
  format: formatter({ lineNumbers: false }),
});
