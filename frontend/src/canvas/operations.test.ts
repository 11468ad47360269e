import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type AnnotationDocument, runs, sliceStates } from "./document";
import { Refusal } from "./errors";
import { apply, readOperation } from "./operations";
import { readDocument } from "./reading";

interface Vector {
  name: string;
  document: unknown;
  operations: unknown[];
  expected?: unknown;
  states?: [string, number, number][];
  error?: string;
}

// Read from the file that the server's tests read too; vitest runs in frontend/.
const { vectors } = JSON.parse(readFileSync("../tests/vectors/operations.json", "utf8")) as {
  vectors: Vector[];
};

/** Numbers within 1e-9, everything else equal. */
function expectClose(found: unknown, expected: unknown, place = "document"): void {
  if (typeof expected === "number" && typeof found === "number") {
    expect(Math.abs(found - expected), place).toBeLessThanOrEqual(1e-9);
  } else if (typeof expected === "object" && expected !== null) {
    expect(Object.keys(found as object), place).toEqual(Object.keys(expected));
    for (const [key, value] of Object.entries(expected)) {
      expectClose((found as Record<string, unknown>)[key], value, `${place}.${key}`);
    }
  } else {
    expect(found, place).toEqual(expected);
  }
}

describe("the vectors that server and browser share", () => {
  test("are there", () => expect(vectors.length).toBeGreaterThan(50));

  test.each(vectors.map((vector) => [vector.name, vector] as const))("%s", (_name, vector) => {
    let document: AnnotationDocument = readDocument(vector.document);
    const last = vector.operations.length - 1;
    for (const [i, given] of vector.operations.entries()) {
      if (vector.error !== undefined && i === last) {
        let code = "accepted";
        try {
          apply(document, readOperation(given));
        } catch (error) {
          if (!(error instanceof Refusal)) throw error;
          code = error.code;
        }
        expect(code).toBe(vector.error);
        return;
      }
      document = apply(document, readOperation(given));
    }
    expectClose(JSON.parse(JSON.stringify(document)), vector.expected);
    expect(runs(sliceStates(document))).toEqual(vector.states);
    // What was written can be read again.
    expect(readDocument(JSON.parse(JSON.stringify(document)))).toEqual(document);
  });
});
