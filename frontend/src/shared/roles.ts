/** Which pages of a project a role sees. The server enforces it; here it only keeps dead ends out of sight. */
export type ProjectRole = "annotator" | "reviewer" | "researcher" | "admin";

export type ProjectPage =
  | "progress"
  | "scans"
  | "tasks"
  | "people"
  | "organs"
  | "masks"
  | "quality"
  | "datasets"
  | "trainings"
  | "evaluations"
  | "report"
  | "review"
  | "jobs"
  | "settings";

const PAGES: Readonly<Record<ProjectRole, readonly ProjectPage[]>> = {
  admin: [
    "progress",
    "scans",
    "tasks",
    "people",
    "organs",
    "masks",
    "review",
    "quality",
    "datasets",
    "trainings",
    "evaluations",
    "report",
    "jobs",
    "settings",
  ],
  researcher: ["progress", "masks", "review", "quality", "datasets", "trainings", "evaluations", "report"],
  reviewer: ["progress", "masks", "review", "quality"],
  annotator: [],
};

export function pagesOf(role: ProjectRole): readonly ProjectPage[] {
  return PAGES[role];
}

/** Whether the role may change anything in a project; everybody else only reads. */
export function mayChange(role: ProjectRole | undefined): boolean {
  return role === "admin";
}

/** The page of a project that an address shows, or shows a part of; null where there is none. */
export function pageOfPath(path: string, projectId: string): ProjectPage | null {
  const base = `/admin/projects/${projectId}`;
  if (path !== base && !path.startsWith(`${base}/`)) return null;
  const name = path.slice(base.length).split("/")[1] || "progress";
  return PAGES.admin.find((page) => page === name) ?? null;
}
