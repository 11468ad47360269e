import type { QueryClient } from "@tanstack/react-query";
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from "@tanstack/react-router";
import type { ReviewAddress } from "@/features/review/search";
import { RouteError } from "./error-boundary";
import { NotFound } from "./not-found";
import { RootLayout } from "./root-layout";

/** What loaders may use. */
export interface RouterContext {
  readonly queryClient: QueryClient;
}

const rootRoute = createRootRouteWithContext<RouterContext>()({ component: RootLayout });

const indexRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/tasks" });
  },
});

// -- annotators: no Mantine on these (scripts/boundaries.mjs, scripts/budget.mjs) --

/** Takes a one-time token in the fragment, `/sign-in#token`, which no server log sees. */
const signInRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/sign-in",
  validateSearch: (search: Record<string, unknown>): { next?: string } =>
    typeof search.next === "string" ? { next: search.next } : {},
  component: lazyRouteComponent(() => import("./routes/sign-in"), "SignInRoute"),
});

/** An invitation, `/join#token`. */
const inviteRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/join",
  component: lazyRouteComponent(() => import("./routes/invite"), "InviteRoute"),
});

const tasksRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/tasks",
  component: lazyRouteComponent(() => import("./routes/tasks"), "TasksRoute"),
});

const accountRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/account",
  component: lazyRouteComponent(() => import("./routes/account"), "AccountRoute"),
});

const workspaceRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/work/$assignmentId",
  component: lazyRouteComponent(() => import("./routes/workspace"), "WorkspaceRoute"),
});

// -- admins and researchers: the layout brings Mantine, loaded when it is first needed --

const adminRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/admin",
  component: lazyRouteComponent(() => import("./routes/admin/layout"), "AdminLayout"),
});

const projectsRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "/",
  component: lazyRouteComponent(() => import("./routes/admin/projects"), "ProjectsRoute"),
});

const newProjectRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "/new",
  component: lazyRouteComponent(() => import("./routes/admin/projects"), "NewProjectRoute"),
});

const projectRoute = createRoute({
  getParentRoute: () => adminRoute,
  path: "/projects/$projectId",
  component: lazyRouteComponent(() => import("./routes/admin/project"), "ProjectRoute"),
});

const projectIndexRoute = createRoute({
  getParentRoute: () => projectRoute,
  path: "/",
  component: lazyRouteComponent(() => import("./routes/admin/progress"), "ProgressRoute"),
});

const volumesRoute = createRoute({
  getParentRoute: () => projectRoute,
  path: "/scans",
  component: lazyRouteComponent(() => import("./routes/admin/volumes"), "VolumesRoute"),
});

const volumeRoute = createRoute({
  getParentRoute: () => projectRoute,
  path: "/scans/$volumeId",
  component: lazyRouteComponent(() => import("./routes/admin/volume"), "VolumeRoute"),
});

const handOutRoute = createRoute({
  getParentRoute: () => projectRoute,
  path: "/tasks",
  component: lazyRouteComponent(() => import("./routes/admin/hand-out"), "HandOutRoute"),
});

const membersRoute = createRoute({
  getParentRoute: () => projectRoute,
  path: "/people",
  component: lazyRouteComponent(() => import("./routes/admin/members"), "MembersRoute"),
});

const labelsRoute = createRoute({
  getParentRoute: () => projectRoute,
  path: "/organs",
  component: lazyRouteComponent(() => import("./routes/admin/labels"), "LabelsRoute"),
});

const masksRoute = createRoute({
  getParentRoute: () => projectRoute,
  path: "/masks",
  component: lazyRouteComponent(() => import("./routes/admin/exports"), "MasksRoute"),
});

const exportsRoute = createRoute({
  getParentRoute: () => projectRoute,
  path: "/datasets",
  component: lazyRouteComponent(() => import("./routes/admin/exports"), "ExportsRoute"),
});

const qualityRoute = createRoute({
  getParentRoute: () => projectRoute,
  path: "/quality",
  component: lazyRouteComponent(() => import("./routes/admin/quality"), "QualityRoute"),
});

/** `open`: the training that is looked at. */
const trainingsRoute = createRoute({
  getParentRoute: () => projectRoute,
  path: "/trainings",
  validateSearch: (search: Record<string, unknown>): { open?: string } =>
    typeof search.open === "string" ? { open: search.open } : {},
  component: lazyRouteComponent(() => import("./routes/admin/trainings"), "TrainingsRoute"),
});

const evaluationsRoute = createRoute({
  getParentRoute: () => projectRoute,
  path: "/evaluations",
  component: lazyRouteComponent(() => import("./routes/admin/evaluations"), "EvaluationsRoute"),
});

/** `a`, `b`: the sets of scores that it is about. */
const reportRoute = createRoute({
  getParentRoute: () => projectRoute,
  path: "/report",
  validateSearch: (search: Record<string, unknown>): { a?: string; b?: string } => ({
    ...(typeof search.a === "string" ? { a: search.a } : {}),
    ...(typeof search.b === "string" ? { b: search.b } : {}),
  }),
  component: lazyRouteComponent(() => import("./routes/admin/report"), "ReportRoute"),
});

const reviewRoute = createRoute({
  getParentRoute: () => projectRoute,
  path: "/review",
  // Checked by the page itself (readSearch), which annotators never load.
  validateSearch: (search: Record<string, unknown>): ReviewAddress => search as ReviewAddress,
  component: lazyRouteComponent(() => import("./routes/admin/review"), "ReviewRoute"),
});

const jobsRoute = createRoute({
  getParentRoute: () => projectRoute,
  path: "/jobs",
  component: lazyRouteComponent(() => import("./routes/admin/jobs"), "JobsRoute"),
});

const settingsRoute = createRoute({
  getParentRoute: () => projectRoute,
  path: "/settings",
  component: lazyRouteComponent(() => import("./routes/admin/settings"), "SettingsRoute"),
});

/** The API's documentation. Below /api/ the server answers only the API itself. */
const apiDocsRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/docs/api",
  component: lazyRouteComponent(() => import("./routes/api-docs"), "ApiDocsRoute"),
});

const routeTree = rootRoute.addChildren([
  indexRoute,
  signInRoute,
  inviteRoute,
  tasksRoute,
  accountRoute,
  workspaceRoute,
  apiDocsRoute,
  adminRoute.addChildren([
    projectsRoute,
    newProjectRoute,
    projectRoute.addChildren([
      projectIndexRoute,
      volumesRoute,
      volumeRoute,
      handOutRoute,
      membersRoute,
      labelsRoute,
      masksRoute,
      exportsRoute,
      qualityRoute,
      trainingsRoute,
      evaluationsRoute,
      reportRoute,
      reviewRoute,
      jobsRoute,
      settingsRoute,
    ]),
  ]),
]);

export function createAppRouter(queryClient: QueryClient) {
  return createRouter({
    routeTree,
    context: { queryClient },
    defaultPreload: "intent",
    // Freshness is React Query's business.
    defaultPreloadStaleTime: 0,
    defaultErrorComponent: RouteError,
    defaultNotFoundComponent: NotFound,
    scrollRestoration: true,
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof createAppRouter>;
  }
}
