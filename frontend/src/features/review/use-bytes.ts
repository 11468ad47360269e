import { useQuery } from "@tanstack/react-query";
import { fetchBits, fetchUncertainty, type Source } from "./sources";

/** A mask's bits; kept, because the same version has the same voxels. */
export function useBits(source: Source | undefined) {
  return useQuery({
    queryKey: ["bits", source?.bits, source?.version],
    queryFn: ({ signal }) => (source === undefined ? null : fetchBits(source, signal)),
    enabled: source !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
    structuralSharing: false,
  });
}

/** How undecided the model was, once somebody wants to see it. */
export function useUncertainty(source: Source | undefined, isWanted: boolean) {
  return useQuery({
    queryKey: ["uncertainty", source?.address, source?.version],
    queryFn: ({ signal }) => (source === undefined ? null : fetchUncertainty(source, signal)),
    enabled: isWanted && source?.made?.has_uncertainty === true,
    staleTime: Number.POSITIVE_INFINITY,
    structuralSharing: false,
  });
}
