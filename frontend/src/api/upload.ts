/** Sending a file as the body of a request, with progress: fetch cannot tell how much has left. */
import { reportSignedOut } from "./client";
import { ApiError, problemFrom } from "./problem";

export interface Sending {
  /** POST unless told otherwise. */
  readonly method?: "POST" | "PUT";
  /** Bytes that have left, 0..1; 1 means that the server has the file and judges it. */
  readonly onProgress?: (share: number) => void;
  readonly signal?: AbortSignal;
}

export interface Sent<T> {
  readonly status: number;
  readonly body: T;
}

/** Send a file. Rejects with an ApiError, or with an AbortError when `signal` ends it. */
export function sendFile<T>(
  url: string,
  file: Blob,
  { method = "POST", onProgress, signal }: Sending = {},
): Promise<Sent<T>> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = (): void => request.abort();
    const end = (): void => signal?.removeEventListener("abort", abort);
    request.open(method, url);
    request.responseType = "text";
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("Accept", "application/json, application/problem+json");
    request.upload.onprogress = (event) => {
      if (event.lengthComputable && event.total > 0) onProgress?.(event.loaded / event.total);
    };
    request.upload.onload = () => onProgress?.(1);
    request.onload = () => {
      end();
      const body = parsed(request.responseText);
      if (request.status >= 200 && request.status < 300) resolve({ status: request.status, body: body as T });
      else {
        if (request.status === 401) reportSignedOut();
        reject(new ApiError(problemFrom(request.status, body)));
      }
    };
    request.onerror = () => {
      end();
      reject(new ApiError(problemFrom(0, null)));
    };
    request.onabort = () => {
      end();
      reject(new DOMException("The upload was stopped.", "AbortError"));
    };
    if (signal?.aborted) {
      reject(new DOMException("The upload was stopped.", "AbortError"));
      return;
    }
    signal?.addEventListener("abort", abort);
    request.send(file);
  });
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}
