/** The bytes of an answer whose body is a zlib stream. */
export async function inflated({ body }: Response): Promise<ArrayBuffer> {
  if (body === null) throw new Error("The answer is empty.");
  return new Response(body.pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
}
