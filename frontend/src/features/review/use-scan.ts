import { useEffect, useState } from "react";
import type { Schema } from "@/api/queries";
import { loadScan, type Scan } from "./scan";

export interface Loading {
  readonly scan: Scan | null;
  /** How much is here, 0..1. */
  readonly share: number;
  readonly error: unknown;
}

const NOTHING: Loading = { scan: null, share: 0, error: null };

/** The whole scan of a volume, fetched anew when another one is looked at. */
export function useScan(volume: Schema<"VolumeAnswer"> | undefined): Loading {
  const [loading, setLoading] = useState(NOTHING);
  const pack = volume?.pack?.sha256;
  useEffect(() => {
    setLoading(NOTHING);
    if (volume === undefined || pack === undefined) return;
    const stop = new AbortController();
    loadScan(volume, stop.signal, (share) => setLoading({ scan: null, share, error: null })).then(
      (scan) => stop.signal.aborted || setLoading({ scan, share: 1, error: null }),
      (error) => stop.signal.aborted || setLoading({ scan: null, share: 0, error }),
    );
    return () => stop.abort();
  }, [volume?.id, pack]);
  return loading;
}
