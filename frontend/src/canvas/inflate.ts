/** Inflating zlib data, in a web worker where there is one. */

export type Inflate = (compressed: ArrayBuffer) => Promise<ArrayBuffer>;

/** What the worker is asked and answers. */
export interface InflateRequest {
  readonly id: number;
  readonly compressed: ArrayBuffer;
}
export type InflateAnswer =
  | { readonly id: number; readonly inflated: ArrayBuffer }
  | { readonly id: number; readonly error: string };

/** Inflate here and now, on this thread. Rejects for damaged data. */
export async function inflate(compressed: ArrayBuffer): Promise<ArrayBuffer> {
  const stream = new DecompressionStream("deflate");
  const writer = stream.writable.getWriter();
  // A damaged stream rejects here and in the reader: the reader's error is the one that counts.
  const written = writer.write(new Uint8Array(compressed)).then(() => writer.close());
  written.catch(() => undefined);
  const reader = stream.readable.getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    length += value.byteLength;
  }
  await written;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole.buffer;
}

/** An inflater and the function that ends it. */
export function createInflater(): { readonly inflate: Inflate; readonly close: () => void } {
  if (typeof Worker === "undefined") return { inflate, close: () => undefined };
  // A file of its own: the page's policy forbids workers made from text.
  const worker = new Worker(new URL("./inflate.worker.ts", import.meta.url), { type: "module" });
  const waiting = new Map<
    number,
    { resolve: (buffer: ArrayBuffer) => void; reject: (error: Error) => void }
  >();
  let next = 1;
  let isBroken = false;
  worker.onmessage = ({ data }: MessageEvent<InflateAnswer>) => {
    const call = waiting.get(data.id);
    waiting.delete(data.id);
    if ("inflated" in data) call?.resolve(data.inflated);
    else call?.reject(new Error(data.error));
  };
  worker.onerror = () => {
    // Could not be loaded: from now on here. What waits is tried again by the cache.
    isBroken = true;
    for (const { reject } of waiting.values()) reject(new Error("The worker that inflates slices failed."));
    waiting.clear();
  };
  return {
    inflate(compressed) {
      if (isBroken) return inflate(compressed);
      return new Promise((resolve, reject) => {
        const request: InflateRequest = { id: next++, compressed };
        waiting.set(request.id, { resolve, reject });
        worker.postMessage(request, [compressed]);
      });
    },
    close() {
      worker.terminate();
      for (const { reject } of waiting.values()) reject(new Error("Closed."));
      waiting.clear();
    },
  };
}
