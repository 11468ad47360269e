import { type InflateAnswer, type InflateRequest, inflate } from "./inflate";

/** What this file needs of a worker's global scope; the DOM's types describe a window. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<InflateRequest>) => void) | null;
  postMessage(answer: InflateAnswer, transfer?: Transferable[]): void;
}
const scope = globalThis as unknown as WorkerScope;

scope.onmessage = ({ data }) => {
  inflate(data.compressed).then(
    (inflated) => scope.postMessage({ id: data.id, inflated }, [inflated]),
    (error: unknown) => scope.postMessage({ id: data.id, error: String(error) }),
  );
};
