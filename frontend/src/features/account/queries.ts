import { queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "@/api/client";

export function sessionsQuery() {
  return queryOptions({
    queryKey: ["my-sessions"] as const,
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/me/sessions", { signal })),
  });
}

export function tokensQuery() {
  return queryOptions({
    queryKey: ["my-tokens"] as const,
    queryFn: ({ signal }) => unwrap(api.GET("/api/v1/me/tokens", { signal })),
  });
}
