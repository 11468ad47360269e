import type { QueryClient } from "@tanstack/react-query";
import { myAssignmentsQuery, type Schema } from "@/api/queries";

/** `next` as a path of this site; null when it leads elsewhere, or back to signing in. */
export function ownPath(next: string | undefined, origin: string = window.location.origin): string | null {
  if (next === undefined || !next.startsWith("/")) return null;
  let url: URL;
  try {
    url = new URL(next, origin);
  } catch {
    return null;
  }
  // "//other.example", "/\other.example" and the like are other sites; "/.//other.example" becomes one.
  if (url.origin !== origin || url.pathname.startsWith("//")) return null;
  if (/^\/(sign-in|join)\/?$/.test(url.pathname)) return null;
  return url.pathname + url.search + url.hash;
}

/** Where a person begins: at their tasks; who only runs projects, at these. */
export async function homeOf(me: Schema<"MeAnswer">, queryClient: QueryClient): Promise<"/tasks" | "/admin"> {
  const live = me.memberships.filter(({ archived }) => !archived);
  if (live.some(({ role }) => role === "annotator" || role === "reviewer")) return "/tasks";
  if (!me.is_operator && live.length === 0) return "/tasks";
  const tasks = await queryClient.fetchQuery(myAssignmentsQuery()).catch(() => []);
  const isWaited = tasks.some(({ state }) => state === "reserved" || state === "expired");
  return isWaited ? "/tasks" : "/admin";
}
