import { describe, expect, it } from "vitest";
import { problemFrom } from "@/api/problem";
import {
  isReadable,
  isUnfinished,
  nameFrom,
  nameProblem,
  nextToSend,
  type Queue,
  reduce,
  targetProblem,
  type UploadEvent,
} from "./upload-queue";
import { urlOf } from "./uploads";

function file(name: string): File {
  return new File(["x"], name);
}

function after(...events: UploadEvent[]): Queue {
  const added: UploadEvent = {
    type: "add",
    files: [
      { id: "a", file: file("case 1.nii.gz") },
      { id: "b", file: file("case2.nii") },
    ],
  };
  return [added, ...events].reduce(reduce, [] as Queue);
}

function stateOf(queue: Queue, id: string): string | undefined {
  return queue.find((upload) => upload.id === id)?.state;
}

const SENDING: UploadEvent[] = [{ type: "start" }, { type: "sending", id: "a" }];

describe("the queue of uploads", () => {
  it("names a scan after its file, and reads only NIfTI", () => {
    expect(nameFrom("Liver.07.nii.gz")).toBe("Liver.07");
    expect(isReadable("a.NII")).toBe(true);
    expect(isReadable("a.gz")).toBe(false);
    expect(isReadable("a.dcm")).toBe(false);
  });

  it("sends nothing before it is told to", () => {
    expect(nextToSend(after())).toBeNull();
    expect(isUnfinished(after())).toBe(false);
  });

  it("sends one after the other", () => {
    expect(nextToSend(after({ type: "start" }))?.id).toBe("a");
    expect(nextToSend(after(...SENDING))).toBeNull();
    expect(nextToSend(after(...SENDING, { type: "progress", id: "a", share: 1 }))).toBeNull();
    const done = after(...SENDING, { type: "accepted", id: "a", volumeId: "v" });
    expect(nextToSend(done)?.id).toBe("b");
    expect(isUnfinished(done)).toBe(true);
  });

  it("says that the server is at it once all bytes have left", () => {
    expect(stateOf(after(...SENDING, { type: "progress", id: "a", share: 0.5 }), "a")).toBe("sending");
    expect(stateOf(after(...SENDING, { type: "progress", id: "a", share: 1 }), "a")).toBe("judging");
  });

  it("keeps apart a refusal and a failure that may be tried again as it is", () => {
    const refused = problemFrom(422, { code: "orientation_unknown", detail: "It does not say." });
    expect(stateOf(after(...SENDING, { type: "refused", id: "a", problem: refused }), "a")).toBe("refused");
    for (const status of [0, 429, 500, 503]) {
      const failed = after(...SENDING, { type: "refused", id: "a", problem: problemFrom(status, null) });
      expect(stateOf(failed, "a")).toBe("failed");
    }
  });

  it("goes on with the next file when one is refused", () => {
    const queue = after(...SENDING, { type: "refused", id: "a", problem: problemFrom(422, null) });
    expect(nextToSend(queue)?.id).toBe("b");
  });

  it("sends again with the answers to all that was asked", () => {
    const refused: UploadEvent = { type: "refused", id: "a", problem: problemFrom(422, null) };
    const queue = after(
      ...SENDING,
      refused,
      { type: "again", id: "a", options: { volumeIndex: 2 } },
      { type: "sending", id: "a" },
      refused,
      { type: "again", id: "a", options: { assumeAffine: true } },
    );
    expect(stateOf(queue, "a")).toBe("waiting");
    const upload = queue[0];
    expect(upload && urlOf("p", upload)).toBe(
      "/api/v1/projects/p/volumes?name=case+1&assume_affine=true&volume_index=2",
    );
  });

  it("holds back what has no name or another one's", () => {
    const twice = after({ type: "rename", id: "b", name: "CASE 1" });
    expect(twice.map((upload) => nameProblem(twice, upload))).toEqual([null, "twice"]);
    const started = reduce(twice, { type: "start" });
    expect([nextToSend(started)?.id, stateOf(started, "b")]).toEqual(["a", "chosen"]);
    expect(started.map((upload) => nameProblem(started, upload))).toEqual([null, "twice"]);
    const nameless = after({ type: "rename", id: "b", name: " " });
    expect(stateOf(reduce(nameless, { type: "start" }), "b")).toBe("chosen");
  });

  it("does not let a late answer change a file that was taken away or is done", () => {
    const gone = after(...SENDING, { type: "remove", id: "a" }, { type: "progress", id: "a", share: 0.9 });
    expect(gone.map((upload) => upload.id)).toEqual(["b"]);
    const done = after(...SENDING, { type: "accepted", id: "a", volumeId: "v" });
    expect(reduce(done, { type: "progress", id: "a", share: 0.2 })).toEqual(done);
    expect(reduce(done, { type: "rename", id: "a", name: "other" })).toEqual(done);
  });

  it("keeps references apart from scans, and sends those that are named", () => {
    const reference = { volumeId: "v", replace: false };
    const queue = after({ type: "add", files: [{ id: "r", file: file("case 1.nii.gz"), reference }] });
    const [scan, , label] = queue;
    expect(scan && nameProblem(queue, scan)).toBeNull();
    expect(stateOf(reduce(queue, { type: "start" }), "r")).toBe("chosen");
    const started = reduce(queue, { type: "start", ids: ["r"], options: { origin: "model" } });
    expect(started.map((upload) => upload.state)).toEqual(["chosen", "chosen", "waiting"]);
    const sent = started[2];
    expect(sent && urlOf("p", sent)).toBe("/api/v1/volumes/v/reference?origin=model");
    const has = (id: string) => id === "v";
    expect(label && targetProblem(queue, label, () => false)).toBeNull();
    expect(label && targetProblem(queue, label, has)).toBe("taken");
    const replaced = reduce(queue, { type: "aim", id: "r", target: { replace: true } });
    expect(replaced[2] && targetProblem(replaced, replaced[2], has)).toBeNull();
    const refused = [
      { type: "sending", id: "r" },
      { type: "refused", id: "r", problem: problemFrom(409, { code: "grid_mismatch" }) },
      { type: "aim", id: "r", target: { volumeId: "w" } },
    ] satisfies UploadEvent[];
    const aimed = refused.reduce(reduce, started)[2];
    expect([aimed?.state, aimed?.problem, aimed?.reference?.volumeId]).toEqual(["chosen", null, "w"]);
  });

  it("keeps what is worth knowing of an accepted file", () => {
    const done = after(...SENDING, { type: "accepted", id: "a", volumeId: "v", notices: ["It is oblique."] });
    expect(done[0]?.notices).toEqual(["It is oblique."]);
  });
});
