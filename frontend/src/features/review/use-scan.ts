import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { keptWithin, type Schema } from "@/api/queries";
import { fetchSlice, gridOf, loadScan, type Scan } from "./scan";

export interface Loading {
  readonly scan: Scan | null;
  /** How much is here, 0..1. */
  readonly share: number;
  readonly error: unknown;
}

const NOTHING: Loading = { scan: null, share: 0, error: null };

/** The whole scan of a volume, once it is wanted; fetched anew when another one is looked at. */
export function useScan(volume: Schema<"VolumeAnswer">, isWanted: boolean): Loading {
  const [loading, setLoading] = useState(NOTHING);
  const pack = volume.pack?.sha256;
  useEffect(() => {
    setLoading(NOTHING);
    if (!isWanted || pack === undefined) return;
    const stop = new AbortController();
    loadScan(volume, stop.signal, (share) => setLoading({ scan: null, share, error: null })).then(
      (scan) => stop.signal.aborted || setLoading({ scan, share: 1, error: null }),
      (error) => stop.signal.aborted || setLoading({ scan: null, share: 0, error }),
    );
    return () => stop.abort();
  }, [volume.id, pack, isWanted]);
  return loading;
}

/** One slice as a scan of its own; until it is here, the one that was shown before. */
export function useSlice(volume: Schema<"VolumeAnswer">, z: number, isWanted: boolean) {
  const grid = gridOf(volume);
  return useQuery({
    queryKey: ["slice", volume.id, volume.pack?.sha256, z],
    queryFn: async ({ signal }): Promise<{ z: number; scan: Scan } | null> => {
      if (grid === null || volume.pack === null) return null;
      const { scale, offset } = volume.pack;
      const [, ny, nx] = grid.shape;
      const stored = await fetchSlice(volume, z, signal);
      return { z, scan: { shape: [1, ny, nx], spacing: grid.spacing, values: { scale, offset }, stored } };
    },
    enabled: isWanted && grid !== null,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
    placeholderData: keptWithin(volume.id),
    structuralSharing: false,
  });
}
