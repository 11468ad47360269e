/** The live stream of a project: what changed is asked for again, a short while after the last change. */
import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { projectKey } from "./queries";

export type Liveness = "connecting" | "live" | "interrupted";

/** What is asked for again after an event of that name. */
const TOUCHES: Readonly<Record<string, readonly string[]>> = {
  task: ["progress", "summary", "people", "tasks", "agreement"],
  job: [
    "jobs",
    "volumes",
    "masks",
    "exports",
    "trainings",
    "evaluations",
    "agreement",
    "progress",
    "summary",
  ],
};
const QUIET_MS = 500;
const LONGEST_WAIT_MS = 2_500;
const AGAIN_MS = 10_000;

/** Gathers names and hands them over together: after a quiet moment, and at the latest after a while. */
export function gatherer(
  handOver: (names: ReadonlySet<string>) => void,
  quietMs = QUIET_MS,
  longestMs = LONGEST_WAIT_MS,
): { add(names: readonly string[]): void; stop(): void } {
  let gathered = new Set<string>();
  let quiet: ReturnType<typeof setTimeout> | undefined;
  let latest: ReturnType<typeof setTimeout> | undefined;
  function flush(): void {
    clearTimeout(quiet);
    clearTimeout(latest);
    quiet = latest = undefined;
    const names = gathered;
    gathered = new Set();
    if (names.size > 0) handOver(names);
  }
  return {
    add(names) {
      for (const name of names) gathered.add(name);
      clearTimeout(quiet);
      quiet = setTimeout(flush, quietMs);
      latest ??= setTimeout(flush, longestMs);
    },
    stop() {
      clearTimeout(quiet);
      clearTimeout(latest);
    },
  };
}

/** Listen to a project's stream until the returned function is called. */
export function watchProject(
  projectId: string,
  queryClient: QueryClient,
  onLiveness: (liveness: Liveness) => void,
): () => void {
  const gathered = gatherer((names) => {
    for (const name of names) void queryClient.invalidateQueries({ queryKey: projectKey(projectId, name) });
  });
  let source: EventSource | null = null;
  let again: ReturnType<typeof setTimeout> | undefined;
  let wasInterrupted = false;

  function connect(): void {
    source = new EventSource(`/api/v1/projects/${encodeURIComponent(projectId)}/events`);
    source.onopen = () => {
      onLiveness("live");
      // What happened meanwhile was not told to us.
      if (wasInterrupted) gathered.add(Object.values(TOUCHES).flat());
      wasInterrupted = false;
    };
    source.onerror = () => {
      wasInterrupted = true;
      onLiveness("interrupted");
      // The browser tries again by itself unless the answer was a refusal.
      if (source?.readyState === EventSource.CLOSED) again = setTimeout(connect, AGAIN_MS);
    };
    for (const [name, touched] of Object.entries(TOUCHES)) {
      source.addEventListener(name, () => gathered.add(touched));
    }
  }

  connect();
  return () => {
    clearTimeout(again);
    gathered.stop();
    source?.close();
  };
}

/** Keeps what the screens show of a project up to date while it is open. */
export function useProjectEvents(projectId: string): Liveness {
  const queryClient = useQueryClient();
  const [liveness, setLiveness] = useState<Liveness>("connecting");
  useEffect(() => {
    if (typeof EventSource === "undefined") return;
    return watchProject(projectId, queryClient, setLiveness);
  }, [projectId, queryClient]);
  return liveness;
}
