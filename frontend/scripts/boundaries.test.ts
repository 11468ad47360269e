import { expect, test } from "vitest";
import { broken, importsOf } from "./boundaries.mjs";

test.each([
  ["canvas/editor.ts", "react"],
  ["offline/sync.ts", "zustand"],
  ["canvas/hit.ts", "../offline/sync"],
  ["features/tasks/page.tsx", "@/features/annotate/page"],
  ["features/tasks/page.tsx", "../annotate/page"],
  ["features/tasks/page.tsx", "@mantine/core"],
  ["app/routes/tasks.tsx", "@mantine/hooks"],
  ["shared/ui/button.tsx", "@/features/tasks/page"],
  ["features/tasks/page.tsx", "@/app/page"],
])("%s may not import %s", (file, module) => expect(broken(file, module)).not.toBeNull());

test.each([
  ["offline/sync.ts", "../canvas/operations"],
  ["features/members/page.tsx", "@mantine/core"],
  ["app/routes/admin/layout.tsx", "@mantine/core"],
  ["features/annotate/page.tsx", "@/canvas/editor"],
  ["features/annotate/page.tsx", "./bar"],
])("%s may import %s", (file, module) => expect(broken(file, module)).toBeNull());

test("finds static, dynamic and re-exported modules with their lines", () => {
  const text =
    'import a from "one";\nimport {\n  b,\n} from "two";\nexport * from "three";\nconst c = import("four");\nimport "five";';
  expect(importsOf(text)).toEqual([
    { module: "one", line: 1 },
    { module: "two", line: 2 },
    { module: "three", line: 5 },
    { module: "four", line: 6 },
    { module: "five", line: 7 },
  ]);
});
