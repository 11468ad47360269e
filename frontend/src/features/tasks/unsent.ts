import { queryOptions } from "@tanstack/react-query";
import { openStore } from "@/offline/store";

/** By annotation: how many changes this device keeps that the server does not have yet. */
export function unsentQuery(accountId: string) {
  return queryOptions({
    queryKey: ["unsent", accountId] as const,
    queryFn: () => countUnsent(accountId),
    // It is about this device, not about the server.
    networkMode: "always",
    staleTime: 0,
  });
}

export async function countUnsent(accountId: string): Promise<Readonly<Record<string, number>>> {
  const store = await openStore();
  try {
    // An array sorts after every text, so this is all of the account and nothing else.
    const range = IDBKeyRange.bound([accountId], [accountId, []]);
    const counts: Record<string, number> = {};
    for (const { annotation, operations } of await store.getAllFromIndex("batches", "owner", range)) {
      counts[annotation] = (counts[annotation] ?? 0) + operations.length;
    }
    return counts;
  } finally {
    store.close();
  }
}
